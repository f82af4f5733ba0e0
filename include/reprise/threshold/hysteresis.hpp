// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A policy that is slow to change its mind.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <reprise/core/error.hpp>
#include <reprise/threshold/threshold_policy.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// A layer that was above the inner policy's τ stays above until ĝ < τ - margin · |τ|; one that was
/// not stays below until ĝ > τ + margin · |τ|. The first call is the inner policy's own decision.
/// Models StatefulThresholdPolicy; `Inner` models ThresholdPolicy, without state of its own.
///
/// Choose it where layers near τ change sides at each replan: new plans cost time and, in frozen
/// graphs, captures. Linear in the layers, beyond the inner policy's cost.
template <ThresholdPolicy Inner>
requires(!StatefulThresholdPolicy<Inner>) class Hysteresis {
 public:
  /// @param inner  gives the τ around which the margin lies
  /// @param margin in [0, 1), as a fraction of |τ|
  /// @throws InvalidArgument if the margin is out of range.
  Hysteresis(Inner inner, double margin) : inner_(std::move(inner)), margin_(margin) {
    if (!(margin >= 0.0 && margin < 1.0)) {
      throw InvalidArgument("Hysteresis: margin is " + std::to_string(margin) +
                            ", which is not in [0, 1)");
    }
  }

  /// A τ for each layer; remembers who was above.
  /// @throws InvalidArgument if there are more or fewer layers than in the call before; and what
  ///         the inner policy throws. The state is then unchanged.
  std::vector<double> operator()(std::span<const double> gradients, std::uint64_t step) {
    return decide(gradients, step);
  }

  /// The same for inner policies that do not look at the step.
  std::vector<double> operator()(std::span<const double> gradients) requires
      PlainThresholdPolicy<Inner> {
    return decide(gradients, 0);
  }

  /// Whether each layer was above at the last call; empty before the first.
  [[nodiscard]] std::vector<bool> state() const { return above_; }

  /// Takes up what `state()` gave.
  void restore(const std::vector<bool>& state) { above_ = state; }

 private:
  std::vector<double> decide(std::span<const double> gradients, std::uint64_t step) {
    if (!above_.empty() && above_.size() != gradients.size()) {
      throw InvalidArgument("Hysteresis: " + std::to_string(gradients.size()) + " layers, " +
                            std::to_string(above_.size()) + " in the call before");
    }
    std::vector<double> taus = thresholds(inner_, gradients, step);
    if (!above_.empty()) {
      for (std::size_t i = 0; i < taus.size(); ++i) taus[i] = moved(taus[i], above_[i]);
    }
    above_.resize(taus.size());
    for (std::size_t i = 0; i < taus.size(); ++i) above_[i] = gradients[i] > taus[i];
    return taus;
  }

  [[nodiscard]] double moved(double tau, bool was_above) const noexcept {
    if (std::isinf(tau)) return tau;  // infinity minus its margin would be no number
    const double width = margin_ * std::fabs(tau);
    // Above is strict, so the edge itself, which still belongs to who was above, needs one less.
    return was_above ? std::nextafter(tau - width, -std::numeric_limits<double>::infinity())
                     : tau + width;
  }

  Inner inner_;
  double margin_;
  std::vector<bool> above_;
};

/// The inner policy by position: `Hysteresis{MedianThreshold{.alpha = 1.0}, 0.1}`.
template <class Inner>
Hysteresis(Inner, double) -> Hysteresis<Inner>;

}  // namespace reprise::inline v0
