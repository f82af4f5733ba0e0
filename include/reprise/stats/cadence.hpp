// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// At which steps the gradients are read.

#include <concepts>
#include <cstdint>
#include <reprise/core/error.hpp>

namespace reprise::inline v0 {

/// Decides whether the gradients of a step are read: `cadence(step)`, with steps counted from 0, is
/// true or false and depends on the step alone; `validate()` throws InvalidArgument for parameters
/// outside their range.
template <class C>
concept Cadence = std::copyable<C> && requires(const C& cadence, std::uint64_t step) {
  { cadence(step) } -> std::same_as<bool>;
  cadence.validate();
};

/// Reads the gradients at every step. Models Cadence.
struct EveryStep {
  /// Always true.
  [[nodiscard]] constexpr bool operator()(std::uint64_t /*step*/) const noexcept { return true; }
  /// Nothing can be wrong.
  constexpr void validate() const noexcept {}
};
static_assert(Cadence<EveryStep>);

/// Reads the gradients at step 0 and every `steps` steps after it. Models Cadence.
/// Choose it where the pass over the gradients is not small beside a step.
struct EverySteps {
  /// The distance between two readings, at least 1.
  std::uint64_t steps = 1;
  /// Whether `step` is a multiple of the distance.
  [[nodiscard]] constexpr bool operator()(std::uint64_t step) const noexcept {
    return step % steps == 0;
  }
  /// @throws InvalidArgument if the distance is zero.
  constexpr void validate() const {
    if (steps == 0) throw InvalidArgument("EverySteps: the distance is 0 steps, at least 1 is due");
  }
};
static_assert(Cadence<EverySteps>);

}  // namespace reprise::inline v0
