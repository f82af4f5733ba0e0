// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A policy that begins later.

#include <cstdint>
#include <limits>
#include <reprise/threshold/threshold_policy.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// For the first `steps` training steps every layer is above (τ = -infinity); from then on the
/// inner policy decides, which is not called before. Models ThresholdPolicy, and
/// StatefulThresholdPolicy if `Inner` (a ThresholdPolicy) does.
///
/// Choose it where the first steps' norms say little of the later ones'.
template <ThresholdPolicy Inner>
struct Warmup {
  /// Who decides afterwards.
  Inner inner;
  /// The number of steps at the start, counted from step 0.
  std::uint64_t steps = 0;

  /// A τ for each layer.
  /// @throws whatever the inner policy throws.
  std::vector<double> operator()(std::span<const double> gradients, std::uint64_t step) {
    if (step < steps) {
      return std::vector<double>(gradients.size(), -std::numeric_limits<double>::infinity());
    }
    return thresholds(inner, gradients, step);
  }

  /// The inner policy's state.
  [[nodiscard]] std::vector<bool> state() const requires StatefulThresholdPolicy<Inner> {
    return inner.state();
  }

  /// Gives the inner policy its state back.
  void restore(const std::vector<bool>& state) requires StatefulThresholdPolicy<Inner> {
    inner.restore(state);
  }
};

/// The inner policy by position: `Warmup{MedianThreshold{.alpha = 1.0}, 100}`.
template <class Inner>
Warmup(Inner, std::uint64_t) -> Warmup<Inner>;

}  // namespace reprise::inline v0
