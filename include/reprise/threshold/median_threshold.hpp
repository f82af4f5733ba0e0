// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A threshold at a multiple of the median.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <reprise/core/error.hpp>
#include <reprise/threshold/threshold_policy.hpp>
#include <span>
#include <string>
#include <vector>

namespace reprise::inline v0 {

/// τ = α · median of ĝ over all layers, the same for each; of an even number of layers the median
/// is the mean of the middle two. Models ThresholdPolicy.
///
/// Choose it as the default: with α = 1 half of the layers are kept whatever the scale of the loss,
/// and one layer's outlier moves nothing. Linear in the layers on average.
struct MedianThreshold {
  /// The multiple, finite and not negative.
  double alpha = 1.0;

  /// @throws InvalidArgument if alpha is out of range.
  double operator()(std::span<const double> gradients) const {
    if (!std::isfinite(alpha) || alpha < 0.0) {
      throw InvalidArgument("MedianThreshold: alpha is " + std::to_string(alpha) +
                            ", which is not finite and at least 0");
    }
    std::vector<double> values(gradients.begin(), gradients.end());
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    if (values.size() % 2 == 1) return alpha * *middle;
    return alpha * std::midpoint(*std::max_element(values.begin(), middle), *middle);
  }
};
static_assert(ThresholdPolicy<MedianThreshold>);

}  // namespace reprise::inline v0
