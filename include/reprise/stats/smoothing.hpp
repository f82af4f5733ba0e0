// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How a layer's observations, one a step, become its statistic.

#include <concepts>
#include <cstdint>

namespace reprise::inline v0 {

/// A smoothing can be called: `smoothing(moment, observation)` is the next moment.
template <class S>
concept UpdatesMoment = requires(const S& smoothing, double moment, double observation) {
  { smoothing(moment, observation) } -> std::same_as<double>;
};

/// A smoothing says what a moment is an estimate of: `estimate(moment, updates)`.
template <class S>
concept EstimatesFromMoment = requires(const S& smoothing, double moment, std::uint64_t updates) {
  { smoothing.estimate(moment, updates) } -> std::same_as<double>;
};

/// A smoothing checks its own parameters: `validate()` throws InvalidArgument.
template <class S>
concept ValidatesItself = requires(const S& smoothing) {
  smoothing.validate();
};

/// A recurrence over one double, the moment, that starts at zero.
///
/// - `smoothing(moment, observation)`: the moment after one more observation;
/// - `smoothing.estimate(moment, updates)`: the statistic after `updates` >= 1 observations, free
///   of the bias that starting at zero gives; if all observations are x, it is x within rounding;
/// - `smoothing.validate()`: throws InvalidArgument for parameters outside their range.
///
/// The first two must be constexpr or `__host__ __device__` (backends run them where the data is),
/// keep a NaN moment NaN (it marks a layer without statistic) and depend on their arguments alone.
template <class S>
concept Smoothing =
    std::copyable<S> && UpdatesMoment<S> && EstimatesFromMoment<S> && ValidatesItself<S>;

}  // namespace reprise::inline v0
