// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <numeric>
#include <reprise/threshold/top_k.hpp>
#include <vector>

#include "support/threshold_conformance.hpp"

using reprise::TopK;

TEST_CASE("TopK is a threshold policy") {
  for (const std::size_t k : {0U, 1U, 3U, 1000U}) {
    reprise_test::check_threshold_policy(TopK{.k = k});
  }
}

TEST_CASE("TopK has exactly the k largest above, the earlier of equal ones") {
  REPRISE_SEEDED(random);
  for (int i = 0; i < 2000; ++i) {
    std::vector<double> gradients = reprise_test::random_statistics(random);
    if (i % 10 == 0) std::fill(gradients.begin(), gradients.end(), gradients.front());
    const std::size_t k = random() % (gradients.size() + 3);
    std::vector<std::size_t> order(gradients.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return gradients[a] > gradients[b]; });
    std::vector<bool> expected(gradients.size());
    for (std::size_t j = 0; j < std::min(k, order.size()); ++j) expected[order[j]] = true;
    CAPTURE(k);
    REQUIRE(reprise_test::above(gradients, TopK{.k = k}(gradients)) == expected);
  }
}

TEST_CASE("TopK breaks ties at the ends of the range as well") {
  const double max = std::numeric_limits<double>::max();
  for (const double value : {0.0, max, -max, std::numeric_limits<double>::denorm_min()}) {
    const std::vector<double> equal(3, value);
    CHECK(reprise_test::above(equal, TopK{.k = 2}(equal)) == std::vector<bool>{true, true, false});
  }
}
