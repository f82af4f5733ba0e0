// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <cstddef>
#include <limits>
#include <reprise/core/error.hpp>
#include <reprise/threshold/constant_threshold.hpp>
#include <reprise/threshold/hysteresis.hpp>
#include <reprise/threshold/median_threshold.hpp>
#include <reprise/threshold/top_k.hpp>
#include <reprise/threshold/warmup.hpp>
#include <vector>

#include "support/threshold_conformance.hpp"

using reprise::ConstantThreshold;
using reprise::Hysteresis;
using reprise::MedianThreshold;
using reprise::TopK;
using reprise::Warmup;

namespace {

// Whether a single layer is above, call by call.
std::vector<bool> decisions(double tau, double margin, const std::vector<double>& gradients) {
  Hysteresis policy{ConstantThreshold{.tau = tau}, margin};
  std::vector<bool> found;
  for (const double gradient : gradients) {
    const std::vector<double> one{gradient};
    found.push_back(one[0] > reprise::thresholds(policy, one, 0)[0]);
  }
  return found;
}

}  // namespace

TEST_CASE("Hysteresis is a stateful threshold policy") {
  reprise_test::check_stateful_threshold_policy(Hysteresis{MedianThreshold{.alpha = 1.0}, 0.1});
  reprise_test::check_stateful_threshold_policy(Hysteresis{MedianThreshold{.alpha = 1.0}, 0.0});
  reprise_test::check_stateful_threshold_policy(Hysteresis{TopK{.k = 3}, 0.3});
  reprise_test::check_stateful_threshold_policy(
      Hysteresis{Warmup{MedianThreshold{.alpha = 1.0}, 100}, 0.1});
}

TEST_CASE("a layer changes sides only when it leaves the margin") {
  // The margin is from 8 to 12; both edges belong to the side where the layer is.
  CHECK(decisions(10, 0.2, {11, 9, 8, 7.999, 9, 11, 12, 12.001, 8}) ==
        std::vector<bool>{true, true, true, false, false, false, false, true, true});
  CHECK(decisions(10, 0.2, {10, 10.5, 12, 13}) == std::vector<bool>{false, false, false, true});
  CHECK(decisions(10, 0.0, {11, 10, 9, 10, 11}) ==
        std::vector<bool>{true, true, false, false, true});
}

TEST_CASE("the margin lies around thresholds below zero and infinite ones too") {
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(decisions(-10, 0.2, {-9, -11, -12, -13, -9, -8, -7}) ==
        std::vector<bool>{true, true, true, false, false, false, true});
  CHECK(decisions(infinity, 0.2, {1, 2}) == std::vector<bool>{false, false});
  CHECK(decisions(-infinity, 0.2, {1, 2}) == std::vector<bool>{true, true});
}

TEST_CASE("Hysteresis refuses margins out of range and another number of layers") {
  for (const double margin : {-0.1, 1.0, std::numeric_limits<double>::quiet_NaN()}) {
    CHECK_THROWS_AS((Hysteresis{MedianThreshold{.alpha = 1.0}, margin}), reprise::InvalidArgument);
  }
  Hysteresis policy{MedianThreshold{.alpha = 1.0}, 0.1};
  static_cast<void>(policy(std::vector<double>{1, 2, 3}));
  const std::vector<bool> before = policy.state();
  CHECK_THROWS_WITH_AS(static_cast<void>(policy(std::vector<double>{1, 2})),
                       "Hysteresis: 2 layers, 3 in the call before", reprise::InvalidArgument);
  CHECK(policy.state() == before);
  reprise_test::check_refused(Hysteresis{MedianThreshold{.alpha = -1.0}, 0.1});
}
