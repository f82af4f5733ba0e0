// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <reprise/core/error.hpp>
#include <reprise/stats/ema.hpp>
#include <vector>

#include "support/seed.hpp"
#include "support/smoothing_conformance.hpp"

using reprise::Ema;

TEST_CASE("Ema is a smoothing") {
  for (const double beta : {0.0, 0.5, 0.95, 0.999})
    reprise_test::check_smoothing(Ema{.beta = beta});
}

TEST_CASE("Ema is the weighted mean with weights that fall by beta") {
  REPRISE_SEEDED(random);
  std::uniform_real_distribution<double> uniform(0, 10);
  for (const double beta : {0.1, 0.9, 0.99}) {
    const Ema ema{.beta = beta};
    std::vector<double> seen;
    double moment = 0;
    for (std::size_t t = 1; t <= 200; ++t) {
      seen.push_back(uniform(random));
      moment = ema(moment, seen.back());
      double weighted = 0;
      double weights = 0;
      for (std::size_t i = 0; i < t; ++i) {
        const double weight = std::pow(beta, static_cast<double>(t - 1 - i));
        weighted += weight * seen[i];
        weights += weight;
      }
      CAPTURE(t);
      REQUIRE(ema.estimate(moment, t) == doctest::Approx(weighted / weights).epsilon(1e-12));
    }
  }
}

TEST_CASE("Ema without memory is the last observation, and after long its moment") {
  constexpr Ema none{.beta = 0.0};
  static_assert(none.estimate(none(none(0.0, 5.0), 7.0), 2) == 7.0);
  CHECK(Ema{}.estimate(3.0, 1'000'000'000'000U) == 3.0);
}

TEST_CASE("Ema refuses a beta outside [0, 1)") {
  for (const double beta : {-0.1, 1.0, 2.0, std::numeric_limits<double>::quiet_NaN(),
                            std::numeric_limits<double>::infinity()}) {
    CHECK_THROWS_AS(Ema{.beta = beta}.validate(), reprise::InvalidArgument);
  }
  CHECK_THROWS_WITH(Ema{.beta = 1.5}.validate(), "Ema: beta is 1.500000, which is not in [0, 1)");
}
