// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A threshold at a multiple of a quantile.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <reprise/core/error.hpp>
#include <reprise/threshold/threshold_policy.hpp>
#include <span>
#include <string>
#include <vector>

namespace reprise::inline v0 {

/// τ = scale · the q-quantile of ĝ over all layers, the same for each. Models ThresholdPolicy.
///
/// Between two order statistics it is interpolated linearly (definition 7 of Hyndman and Fan,
/// "Sample quantiles in statistical packages", 1996: what R and numpy do): with q = 0 it is the
/// smallest, with 1 the largest, with 0.5 the median.
///
/// Choose it to keep about the fraction 1 - q of the layers, whatever the norms' distribution.
/// Linear in the layers on average.
struct QuantileThreshold {
  /// The fraction of layers at or below the quantile, in [0, 1].
  double q = 0.5;
  /// The multiple, finite and not negative.
  double scale = 1.0;

  /// @throws InvalidArgument if q or scale is out of range.
  double operator()(std::span<const double> gradients) const {
    if (!(q >= 0.0 && q <= 1.0)) {
      throw InvalidArgument("QuantileThreshold: q is " + std::to_string(q) +
                            ", which is not in [0, 1]");
    }
    if (!std::isfinite(scale) || scale < 0.0) {
      throw InvalidArgument("QuantileThreshold: scale is " + std::to_string(scale) +
                            ", which is not finite and at least 0");
    }
    std::vector<double> values(gradients.begin(), gradients.end());
    const double position = q * static_cast<double>(values.size() - 1);
    const double below = std::floor(position);
    const auto nth = values.begin() + static_cast<std::ptrdiff_t>(below);
    std::nth_element(values.begin(), nth, values.end());
    const double fraction = position - below;
    const double lower = *nth;
    if (fraction == 0.0) return scale * lower;
    const double upper = *std::min_element(nth + 1, values.end());
    return scale * std::lerp(lower, upper, fraction);
  }
};
static_assert(ThresholdPolicy<QuantileThreshold>);

}  // namespace reprise::inline v0
