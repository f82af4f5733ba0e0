// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <reprise/backend/squared_norm_factor.hpp>

#include "support/seed.hpp"

using reprise::squared_norm_factor;
using Doubles = std::numeric_limits<double>;

TEST_CASE("a squared norm is divided by the square of what its gradients carry") {
  static_assert(squared_norm_factor(1, 1) == 1);
  static_assert(squared_norm_factor(1024, 1) == 0x1p-20);
  static_assert(squared_norm_factor(0.5, 4) == 0.25);
  REPRISE_SEEDED(random);
  std::lognormal_distribution<double> loss_scales(7, 5);
  for (int i = 0; i < 10'000; ++i) {
    const double loss_scale = loss_scales(random);
    const std::uint64_t micro_batches = 1 + random() % 1000;
    const long double carried = static_cast<long double>(loss_scale) * micro_batches;
    const double factor = squared_norm_factor(loss_scale, micro_batches);
    REQUIRE(std::fabs(static_cast<double>(factor * carried * carried - 1)) < 0x1p-50);
    // Saved states go on to the bit, so that the order of roundings must stay.
    const double scale = 1 / (loss_scale * static_cast<double>(micro_batches));
    REQUIRE(factor == scale * scale);
  }
}

TEST_CASE("a scale that no step has, or whose square no double holds, has no factor") {
  // At compile time a division by zero is an error.
  constexpr auto is_nan = [](double factor) { return factor != factor; };
  static_assert(is_nan(squared_norm_factor(0, 1)) && is_nan(squared_norm_factor(1, 0)));
  for (const double loss_scale :
       {0.0, -0.0, -1.0, -1e300, 1e-300, 1e300, Doubles::denorm_min(), Doubles::infinity(),
        -Doubles::infinity(), Doubles::quiet_NaN()}) {
    CAPTURE(loss_scale);
    CHECK(std::isnan(squared_norm_factor(loss_scale, 1)));
  }
  CHECK(!std::isnan(squared_norm_factor(1e150, 1)));
  CHECK(std::isnan(squared_norm_factor(1e150, std::uint64_t{1} << 60U)));
  CHECK(std::isnan(squared_norm_factor(Doubles::max(), 2)));
}
