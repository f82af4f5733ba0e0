// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a run did.

#include <cstdint>
#include <reprise/core/units.hpp>
#include <vector>

namespace reprise::inline v0 {

/// Counts of a `Checkpointed` since its last `begin_step`.
struct RunReport {
  byte_count peak_bytes = 0;            ///< the most that was live, inside operations too
  byte_count predicted_peak_bytes = 0;  ///< the largest of the plans that ran
  byte_count profile_bytes = 0;         ///< the most that a measuring forward held
  double forward_cost = 0;              ///< of first runs, in the program's unit
  double recomputed_cost = 0;           ///< of all further runs
  bool cost_is_flops = false;
  std::uint64_t passes = 0;
  std::vector<std::uint32_t> recomputes_per_layer{};
  std::vector<double> recomputed_cost_per_layer{};
};

}  // namespace reprise::inline v0
