// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Thresholds that a given number of layers passes.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>
#include <reprise/threshold/threshold_policy.hpp>
#include <span>
#include <vector>

namespace reprise::inline v0 {

/// Exactly the k layers with the largest ĝ are above, all if there are no more than k; of equal
/// ones the earlier. Models ThresholdPolicy.
///
/// τ is the k-th largest ĝ for the layers below and the next smaller double for those above: it
/// differs between layers because otherwise ties could not be broken.
///
/// Choose it to keep the number of kept layers, and thus about the memory, the same at each step.
/// Linear in the layers on average.
struct TopK {
  /// How many layers are above.
  std::size_t k = 1;

  /// A τ for each layer.
  std::vector<double> operator()(std::span<const double> gradients) const {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    if (k == 0) return std::vector<double>(gradients.size(), infinity);
    if (k >= gradients.size()) return std::vector<double>(gradients.size(), -infinity);
    std::vector<std::size_t> order(gradients.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    const auto last = order.begin() + static_cast<std::ptrdiff_t>(k - 1);
    std::nth_element(order.begin(), last, order.end(), [&](std::size_t a, std::size_t b) {
      return gradients[a] > gradients[b] || (gradients[a] == gradients[b] && a < b);
    });
    const double tau = gradients[*last];
    std::vector<double> taus(gradients.size(), tau);
    const double just_below = std::nextafter(tau, -infinity);
    for (auto layer = order.begin(); layer <= last; ++layer) taus[*layer] = just_below;
    return taus;
  }
};
static_assert(ThresholdPolicy<TopK>);

}  // namespace reprise::inline v0
