// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The host's clock.

#include <chrono>
#include <cstdint>
#include <optional>
#include <reprise/program/cost/operation_clock.hpp>

namespace reprise::inline v0 {

/// Measures operations that have run when their call returns, by the host's steady clock. Of a
/// device that runs behind the host it would measure the calls only.
class HostClock {
 public:
  /// Now.
  [[nodiscard]] std::uint64_t mark() const noexcept {
    return static_cast<std::uint64_t>(clock::now().time_since_epoch().count());
  }
  /// From one point to the other; never empty.
  [[nodiscard]] std::optional<double> seconds_between(std::uint64_t begin,
                                                      std::uint64_t end) const noexcept {
    return std::chrono::duration<double>(clock::duration(end - begin)).count();
  }
  /// Returns at once.
  void finish() const noexcept {}

 private:
  using clock = std::chrono::steady_clock;
};

static_assert(OperationClock<HostClock>);

}  // namespace reprise::inline v0
