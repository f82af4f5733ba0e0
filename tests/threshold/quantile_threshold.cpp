// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <reprise/threshold/median_threshold.hpp>
#include <reprise/threshold/quantile_threshold.hpp>
#include <vector>

#include "support/threshold_conformance.hpp"

using reprise::QuantileThreshold;

TEST_CASE("QuantileThreshold is a threshold policy") {
  for (const double q : {0.0, 0.25, 0.5, 0.9, 1.0}) {
    reprise_test::check_threshold_policy(QuantileThreshold{.q = q, .scale = 1.5});
  }
}

TEST_CASE("QuantileThreshold interpolates between order statistics") {
  const std::vector<double> gradients{40, 10, 30, 20};
  CHECK(QuantileThreshold{.q = 0}(gradients) == 10);
  CHECK(QuantileThreshold{.q = 1}(gradients) == 40);
  CHECK(QuantileThreshold{.q = 0.5}(gradients) == 25);
  CHECK(QuantileThreshold{.q = 0.25}(gradients) == 17.5);
  CHECK(QuantileThreshold{.q = 0.25, .scale = 2}(gradients) == 35);
  CHECK(QuantileThreshold{.q = 0.7}(std::vector<double>{3}) == 3);
}

TEST_CASE("QuantileThreshold at one half is the median, and grows with q") {
  REPRISE_SEEDED(random);
  for (int i = 0; i < 500; ++i) {
    const std::vector<double> gradients = reprise_test::random_statistics(random);
    CHECK(QuantileThreshold{.q = 0.5}(gradients) ==
          doctest::Approx(reprise::MedianThreshold{}(gradients)).epsilon(1e-14));
    double before = 0;
    for (int tenth = 0; tenth <= 10; ++tenth) {
      const double tau = QuantileThreshold{.q = tenth / 10.0}(gradients);
      REQUIRE(tau >= before);
      before = tau;
    }
    CHECK(before == *std::max_element(gradients.begin(), gradients.end()));
  }
}

TEST_CASE("QuantileThreshold refuses parameters out of range") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double q : {-0.1, 1.1, nan}) reprise_test::check_refused(QuantileThreshold{.q = q});
  for (const double scale : {-1.0, nan, std::numeric_limits<double>::infinity()}) {
    reprise_test::check_refused(QuantileThreshold{.scale = scale});
  }
}
