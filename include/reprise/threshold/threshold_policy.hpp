// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// From gradient statistics to thresholds.

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <reprise/core/error.hpp>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace reprise::inline v0 {

/// What a policy may return: a τ for each layer, or a single one for all.
template <class T>
concept Thresholds = std::same_as<T, std::vector<double>> || std::same_as<T, double>;

/// A policy that looks at the statistics alone: `policy(gradients)`.
template <class P>
concept PlainThresholdPolicy = requires(P& policy, std::span<const double> gradients) {
  { policy(gradients) } -> Thresholds;
};

/// A policy that looks at the training step as well, counted from 0: `policy(gradients, step)`.
template <class P>
concept StepThresholdPolicy = requires(P& policy, std::span<const double> gradients,
                                       std::uint64_t step) {
  { policy(gradients, step) } -> Thresholds;
};

/// Turns ĝ into τ: a layer is *above*, and its activations worth keeping, if and only if ĝ > τ.
///
/// Called with the statistics of the layers that have one, in the layers' order: at least one
/// value, all finite. Returns one τ for each value (infinities are fine, NaNs are not), or a single
/// τ for all, and depends on its arguments, its parameters and, if it is a StatefulThresholdPolicy,
/// on earlier calls; called again with the same arguments, it decides the same. Throws
/// InvalidArgument for parameters out of range.
template <class P>
concept ThresholdPolicy = std::copyable<P> &&(PlainThresholdPolicy<P> || StepThresholdPolicy<P>);

/// A policy whose earlier decisions matter: `state()` is a copy of them, `restore(state)` takes
/// them up again, so that training resumes with the same decisions. The state is a flag for each
/// layer that the policy was last called for, empty before the first call.
template <class P>
concept StatefulThresholdPolicy = ThresholdPolicy<P> &&
    requires(P& policy, const P& constant, const std::vector<bool>& state) {
  { constant.state() } -> std::same_as<std::vector<bool>>;
  policy.restore(state);
};

/// A policy with a `state` or a `restore`, of whatever signature.
template <class P>
concept NamesThresholdState = requires(P& policy) {
  policy.state();
}
|| requires(P& policy, const std::vector<bool>& state) { policy.restore(state); };

/// Calls a policy in the way in which it can be called, and gives a τ for each layer.
/// Linear in the layers, beyond the policy's own cost.
/// @throws InvalidArgument if there are no statistics or one is not finite, if the policy returns
///         another number of thresholds or a NaN; and what the policy throws.
template <ThresholdPolicy P>
[[nodiscard]] std::vector<double> thresholds(P& policy, std::span<const double> gradients,
                                             std::uint64_t step) {
  if (gradients.empty()) throw InvalidArgument("thresholds: there are 0 statistics");
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    if (!std::isfinite(gradients[i])) {
      throw InvalidArgument("thresholds: statistic " + std::to_string(i) + " of " +
                            std::to_string(gradients.size()) + " is " +
                            std::to_string(gradients[i]));
    }
  }
  const auto call = [&] {
    if constexpr (StepThresholdPolicy<P>) {
      return policy(gradients, step);
    } else {
      return policy(gradients);
    }
  };
  std::vector<double> taus;
  if constexpr (std::is_same_v<decltype(call()), double>) {
    taus.assign(gradients.size(), call());
  } else {
    taus = call();
  }
  if (taus.size() != gradients.size()) {
    throw InvalidArgument("thresholds: the policy returned " + std::to_string(taus.size()) +
                          " thresholds for " + std::to_string(gradients.size()) + " layers");
  }
  for (std::size_t i = 0; i < taus.size(); ++i) {
    if (std::isnan(taus[i])) {
      throw InvalidArgument("thresholds: the policy's threshold " + std::to_string(i) +
                            " is not a number");
    }
  }
  return taus;
}

}  // namespace reprise::inline v0
