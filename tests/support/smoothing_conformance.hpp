// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What each smoothing must do; a model is tested by one line.

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <reprise/stats/smoothing.hpp>

namespace reprise_test {

/// Holds a smoothing with valid parameters to the concept's semantics.
template <reprise::Smoothing S>
void check_smoothing(const S& smoothing) {
  smoothing.validate();
  for (const double x : {0.0, 1.0, 3.7, 1e-30, 1e30}) {
    double moment = 0;
    for (std::uint64_t updates = 1; updates <= 300; ++updates) {
      moment = smoothing(moment, x);
      CAPTURE(x);
      CAPTURE(updates);
      REQUIRE(std::fabs(smoothing.estimate(moment, updates) - x) <= 1e-12 * x);
    }
  }
  // Between the extremes of what was observed.
  double moment = 0;
  for (std::uint64_t updates = 1; updates <= 100; ++updates) {
    moment = smoothing(moment, updates % 2 == 0 ? 1.0 : 2.0);
    const double estimate = smoothing.estimate(moment, updates);
    REQUIRE(estimate >= 1.0 - 1e-12);
    REQUIRE(estimate <= 2.0 + 1e-12);
  }
  CHECK(std::isnan(smoothing(std::numeric_limits<double>::quiet_NaN(), 0.0)));
}

}  // namespace reprise_test
