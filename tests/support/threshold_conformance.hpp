// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What each threshold policy must do; a model is tested by one line.

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <reprise/core/error.hpp>
#include <reprise/threshold/threshold_policy.hpp>
#include <span>
#include <vector>

#include "support/seed.hpp"

namespace reprise_test {

/// Statistics as they come: squared norms over many magnitudes, with ties and zeros.
inline std::vector<double> random_statistics(std::mt19937_64& random, std::size_t most = 40) {
  std::lognormal_distribution<double> norm(0.0, 4.0);
  std::vector<double> gradients(1 + random() % most);
  for (double& gradient : gradients) {
    gradient = random() % 8 == 0 ? 0.0 : norm(random);
    if (random() % 4 == 0) gradient = gradients.front();
  }
  return gradients;
}

/// Which layers are above.
inline std::vector<bool> above(std::span<const double> gradients, std::span<const double> taus) {
  std::vector<bool> is_above(gradients.size());
  for (std::size_t i = 0; i < gradients.size(); ++i) is_above[i] = gradients[i] > taus[i];
  return is_above;
}

/// Holds a policy with valid parameters to the concept's semantics.
template <reprise::ThresholdPolicy P>
void check_threshold_policy(const P& policy) {
  REPRISE_SEEDED(random);
  for (int i = 0; i < 200; ++i) {
    P tried = policy;  // its first call, each time
    const std::vector<double> gradients = random_statistics(random);
    const std::uint64_t step = random() % 300;
    const std::vector<double> taus = reprise::thresholds(tried, gradients, step);
    REQUIRE(taus.size() == gradients.size());
    for (const double tau : taus) REQUIRE(!std::isnan(tau));
    P fresh = policy;
    REQUIRE(reprise::thresholds(fresh, gradients, step) == taus);
    const std::vector<double> again = reprise::thresholds(tried, gradients, step);
    REQUIRE(above(gradients, again) == above(gradients, taus));
  }
  P tried = policy;
  const std::vector<double> none;
  CHECK_THROWS_AS(static_cast<void>(reprise::thresholds(tried, none, 0)), reprise::InvalidArgument);
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    const std::vector<double> gradients{1.0, bad};
    CHECK_THROWS_AS(static_cast<void>(reprise::thresholds(tried, gradients, 0)),
                    reprise::InvalidArgument);
  }
}

/// Holds a stateful policy to the concept's semantics: resumed from its state, it decides the same.
template <reprise::StatefulThresholdPolicy P>
void check_stateful_threshold_policy(const P& policy) {
  check_threshold_policy(policy);
  REPRISE_SEEDED(random);
  P original = policy;
  CHECK(original.state().empty());
  std::vector<double> gradients = random_statistics(random);
  for (std::uint64_t step = 0; step < 200; ++step) {
    P resumed = policy;
    resumed.restore(original.state());
    REQUIRE(resumed.state() == original.state());
    for (double& gradient : gradients) gradient *= 0.8 + 0.4 * static_cast<double>(random() % 2);
    REQUIRE(reprise::thresholds(resumed, gradients, step) ==
            reprise::thresholds(original, gradients, step));
    REQUIRE(resumed.state() == original.state());
  }
}

/// Checks that a policy refuses its parameters when it is called.
template <reprise::ThresholdPolicy P>
void check_refused(P policy) {
  const std::vector<double> gradients{1.0, 2.0, 3.0};
  CHECK_THROWS_AS(static_cast<void>(reprise::thresholds(policy, gradients, 0)),
                  reprise::InvalidArgument);
}

}  // namespace reprise_test
