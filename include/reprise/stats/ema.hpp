// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The exponential moving average with bias correction.

#include <cstdint>
#include <reprise/core/error.hpp>
#include <reprise/stats/smoothing.hpp>
#include <string>

namespace reprise::inline v0 {

/// The exponential moving average m <- beta m + (1 - beta) x with the estimate m / (1 - beta^t)
/// after t updates (Kingma and Ba, "Adam", 2015, algorithm 1 and section 3). Models Smoothing.
///
/// Choose beta by the steps that it should remember, 1 / (1 - beta): 20 for the default. With zero
/// the statistic is the last step's observation.
struct Ema {
  /// The weight of the past, in [0, 1).
  double beta = 0.95;

  /// The next moment.
  [[nodiscard]] constexpr double operator()(double moment, double observation) const noexcept {
    return beta * moment + (1.0 - beta) * observation;
  }

  /// The moment without the weight that its start at zero still has. Logarithmic in `updates`.
  [[nodiscard]] constexpr double estimate(double moment, std::uint64_t updates) const noexcept {
    double power = 1.0;    // beta^updates by squaring: std::pow is neither constexpr nor the same
    double factor = beta;  // on every machine
    for (std::uint64_t rest = updates; rest != 0; rest >>= 1U) {
      if ((rest & 1U) != 0) power *= factor;
      factor *= factor;
    }
    return moment / (1.0 - power);
  }

  /// @throws InvalidArgument if beta is not in [0, 1).
  constexpr void validate() const {
    if (!(beta >= 0.0 && beta < 1.0)) {
      throw InvalidArgument("Ema: beta is " + std::to_string(beta) + ", which is not in [0, 1)");
    }
  }
};
static_assert(Smoothing<Ema>);

}  // namespace reprise::inline v0
