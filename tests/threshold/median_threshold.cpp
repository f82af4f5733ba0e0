// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <reprise/threshold/median_threshold.hpp>
#include <vector>

#include "support/threshold_conformance.hpp"

using reprise::MedianThreshold;

TEST_CASE("MedianThreshold is a threshold policy") {
  for (const double alpha : {0.0, 0.5, 1.0, 3.0}) {
    reprise_test::check_threshold_policy(MedianThreshold{.alpha = alpha});
  }
}

TEST_CASE("MedianThreshold is alpha times the middle, or the mean of the middle two") {
  CHECK(MedianThreshold{}(std::vector<double>{5}) == 5);
  CHECK(MedianThreshold{}(std::vector<double>{9, 1, 4}) == 4);
  CHECK(MedianThreshold{}(std::vector<double>{9, 1, 4, 6}) == 5);
  CHECK(MedianThreshold{.alpha = 2}(std::vector<double>{9, 1, 4, 6}) == 10);
  CHECK(MedianThreshold{}(std::vector<double>{2, 2, 2, 2}) == 2);
  const double max = std::numeric_limits<double>::max();
  CHECK(MedianThreshold{}(std::vector<double>{max, max}) == max);
}

TEST_CASE("MedianThreshold has half of different layers above") {
  REPRISE_SEEDED(random);
  for (std::size_t count = 1; count < 100; ++count) {
    std::vector<double> gradients(count);
    for (std::size_t i = 0; i < count; ++i) gradients[i] = static_cast<double>(i);
    std::shuffle(gradients.begin(), gradients.end(), random);
    const double tau = MedianThreshold{}(gradients);
    std::size_t above = 0;
    for (const double gradient : gradients) above += gradient > tau ? 1 : 0;
    CHECK(above == count / 2);
  }
}

TEST_CASE("MedianThreshold refuses an alpha that is negative or not finite") {
  for (const double alpha :
       {-1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    reprise_test::check_refused(MedianThreshold{.alpha = alpha});
  }
}
