// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What the passes of one object share with it.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <reprise/run/checkpointed_options.hpp>
#include <reprise/run/node_timer.hpp>
#include <reprise/run/run_report.hpp>

namespace reprise::inline v0::running {

/// What a `Checkpointed` and its passes write to: it stays in its place when the object moves.
struct RunState {
  CheckpointedOptions options{};       ///< as the object was given them
  RunReport report{};                  ///< of the step, but for the peak, which the store knows
  std::size_t passes_alive = 0;        ///< between their forward and their backward
  std::shared_ptr<NodeTimer> timer{};  ///< null where no time is measured

  /// Asks the engine's allocator, if the options say how.
  void sample_reserved() {
    if (!options.reserved_bytes) return;
    report.reserved_bytes = std::max(report.reserved_bytes, options.reserved_bytes());
  }
};

}  // namespace reprise::inline v0::running
