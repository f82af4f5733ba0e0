// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <limits>
#include <reprise/threshold/constant_threshold.hpp>
#include <vector>

#include "support/threshold_conformance.hpp"

using reprise::ConstantThreshold;

TEST_CASE("ConstantThreshold is a threshold policy") {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  for (const double tau : {-infinity, -1.0, 0.0, 2.0, infinity}) {
    reprise_test::check_threshold_policy(ConstantThreshold{.tau = tau});
  }
}

TEST_CASE("ConstantThreshold is the number that it was given, for each layer") {
  ConstantThreshold policy{.tau = 2};
  const std::vector<double> gradients{1, 2, 3};
  CHECK(reprise::thresholds(policy, gradients, 5) == std::vector<double>{2, 2, 2});
}

TEST_CASE("ConstantThreshold refuses what is not a number") {
  reprise_test::check_refused(ConstantThreshold{.tau = std::numeric_limits<double>::quiet_NaN()});
}
