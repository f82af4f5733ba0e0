// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A threshold at a multiple of the mean.

#include <cmath>
#include <reprise/core/error.hpp>
#include <reprise/threshold/threshold_policy.hpp>
#include <span>
#include <string>

namespace reprise::inline v0 {

/// τ = α · mean of ĝ over all layers, the same for each. Models ThresholdPolicy.
///
/// Choose it to keep few layers: norms are skewed, so a few large ones lift the mean above most.
/// Linear in the layers.
struct MeanThreshold {
  /// The multiple, finite and not negative.
  double alpha = 1.0;

  /// @throws InvalidArgument if alpha is out of range.
  double operator()(std::span<const double> gradients) const {
    if (!std::isfinite(alpha) || alpha < 0.0) {
      throw InvalidArgument("MeanThreshold: alpha is " + std::to_string(alpha) +
                            ", which is not finite and at least 0");
    }
    double mean = 0;
    double count = 0;
    for (const double gradient : gradients) {  // updated in place: a sum could overflow
      count += 1;
      mean += (gradient - mean) / count;
    }
    return alpha * mean;
  }
};
static_assert(ThresholdPolicy<MeanThreshold>);

}  // namespace reprise::inline v0
