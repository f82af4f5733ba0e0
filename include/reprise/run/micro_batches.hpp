// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Numbers the passes of a step.

#include <algorithm>
#include <cstdint>
#include <vector>

namespace reprise::inline v0::running {

/// Numbers the passes of a step. A number is taken once a forward has run, and given back by a pass
/// that failed later: the next forward has it again, and draws the same random numbers.
class MicroBatches {
 public:
  /// None is taken.
  void begin_step() noexcept {
    taken_ = 0;
    given_back_.clear();
  }

  /// The number of the pass that is tried next.
  [[nodiscard]] std::uint64_t next() const noexcept {
    return given_back_.empty() ? taken_ : given_back_.front();
  }

  /// Takes that number.
  void take() {
    if (!given_back_.empty()) {
      given_back_.erase(given_back_.begin());
      return;
    }
    given_back_.reserve(taken_ + 1);
    ++taken_;
  }

  /// Gives a number back that was taken in this step. `take` has reserved the room.
  void give_back(std::uint64_t number) noexcept {
    given_back_.insert(std::ranges::lower_bound(given_back_, number), number);
  }

 private:
  std::uint64_t taken_ = 0;
  std::vector<std::uint64_t> given_back_;  ///< ascending
};

}  // namespace reprise::inline v0::running
