// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A threshold that is given.

#include <cmath>
#include <reprise/core/error.hpp>
#include <reprise/threshold/threshold_policy.hpp>
#include <span>

namespace reprise::inline v0 {

/// τ is a number, the same for each layer and at each step. Models ThresholdPolicy.
///
/// Choose it where squared norms have a known scale, and for the two extremes: -infinity keeps all
/// layers, +infinity none. Constant time.
struct ConstantThreshold {
  /// The threshold, in the units of ĝ (squared norms); infinities are fine.
  double tau = 0.0;

  /// @throws InvalidArgument if tau is not a number.
  double operator()(std::span<const double> /*gradients*/) const {
    if (std::isnan(tau)) throw InvalidArgument("ConstantThreshold: tau is not a number");
    return tau;
  }
};
static_assert(ThresholdPolicy<ConstantThreshold>);

}  // namespace reprise::inline v0
