// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What the passes of one object share.

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <reprise/core/units.hpp>
#include <reprise/run/action_event.hpp>
#include <reprise/run/run_report.hpp>
#include <reprise/store/memory_account.hpp>
#include <reprise/store/online_event.hpp>

namespace reprise::inline v0 {

/// Asks the engine's allocator what it holds from the system now.
using ReservedBytes = std::function<byte_count()>;

namespace running {

/// What all passes of one `Checkpointed` or `Rematerialised` share.
struct Shared {
  std::shared_ptr<MemoryAccount> account{};
  RunReport report{};
  ActionObserver observer{};         ///< of schedules
  OnlineObserver online_observer{};  ///< of online runs
  ReservedBytes reserved_bytes{};
  bool verify_replay = false;
  std::size_t passes_in_flight = 1;  ///< that the budget is for
  std::size_t passes_alive = 0;

  void sample_reserved() {
    if (reserved_bytes) report.reserved_bytes = std::max(report.reserved_bytes, reserved_bytes());
  }
};

}  // namespace running

}  // namespace reprise::inline v0
