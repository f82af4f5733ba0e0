// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The arithmetic of binomial checkpointing.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

namespace reprise::inline v0 {

/// How few forward steps reverse a uniform chain, and where to put the next checkpoint.
///
/// A *state* is what a step reads; the chain's input is the first of those that are stored. A step
/// that saves for its own backward is not counted.
/// Source: Griewank, Walther, "Algorithm 799: Revolve", ACM Transactions on Mathematical Software
/// 26 (2000).
class BinomialSteps {
 public:
  /// @param length steps of the chain, at least 1
  /// @param states that may be stored at once, at least 1
  constexpr BinomialSteps(std::uint64_t length, std::uint64_t states) noexcept
      : length_(length), states_(states) {
    while (reach(states_, repetitions_) < length_) ++repetitions_;
  }

  /// The least number of forward steps: r l - C(s + r, r - 1), where no step runs more than r times
  /// and r is the smallest number with C(s + r, s) >= l.
  [[nodiscard]] constexpr std::uint64_t count() const noexcept {
    if (repetitions_ == 0) return 0;
    return repetitions_ * length_ - reach(states_ + 1, repetitions_ - 1);
  }

  /// The state to store next, counted from the chain's input; 0 for a chain of one step. What lies
  /// after it is reversed first, with one state less.
  [[nodiscard]] constexpr std::uint64_t next() const noexcept {
    if (length_ == 1) return 0;
    if (states_ == 1) return length_ - 1;
    // Where no step before it runs more than r - 1 times again, and none after it more than r.
    const std::uint64_t after = reach(states_ - 1, repetitions_ - 1);
    return std::min(reach(states_, repetitions_ - 1), length_ - std::min(after, length_ - 1));
  }

 private:
  // C(s + r, s): the longest chain that s states reverse with no step running more than r times;
  // as much as a number can hold if it is more.
  [[nodiscard]] static constexpr std::uint64_t reach(std::uint64_t states,
                                                     std::uint64_t repetitions) noexcept {
    constexpr std::uint64_t most = std::numeric_limits<std::uint32_t>::max();
    std::uint64_t product = 1;
    for (std::uint64_t i = 1; i <= std::min(states, repetitions); ++i) {
      product = product * (std::max(states, repetitions) + i) / i;
      if (product > most) return most;
    }
    return product;
  }

  std::uint64_t length_;
  std::uint64_t states_;
  std::uint64_t repetitions_ = 0;
};

}  // namespace reprise::inline v0
