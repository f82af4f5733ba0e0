// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <limits>
#include <reprise/threshold/mean_threshold.hpp>
#include <vector>

#include "support/threshold_conformance.hpp"

using reprise::MeanThreshold;

TEST_CASE("MeanThreshold is a threshold policy") {
  for (const double alpha : {0.0, 1.0, 2.0}) {
    reprise_test::check_threshold_policy(MeanThreshold{.alpha = alpha});
  }
}

TEST_CASE("MeanThreshold is alpha times the mean") {
  CHECK(MeanThreshold{}(std::vector<double>{7}) == 7);
  CHECK(MeanThreshold{}(std::vector<double>{1, 2, 9}) == doctest::Approx(4));
  CHECK(MeanThreshold{.alpha = 0.5}(std::vector<double>{1, 2, 9}) == doctest::Approx(2));
  const double max = std::numeric_limits<double>::max();
  CHECK(MeanThreshold{}(std::vector<double>{max, max, max}) == max);
}

TEST_CASE("MeanThreshold refuses an alpha that is negative or not finite") {
  for (const double alpha :
       {-1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    reprise_test::check_refused(MeanThreshold{.alpha = alpha});
  }
}
