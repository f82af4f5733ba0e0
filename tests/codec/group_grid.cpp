// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// optimise: always

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <reprise/codec/group_grid.hpp>
#include <utility>

#include "support/seed.hpp"

namespace {

using reprise::codes::GroupGrid;

double top(const GroupGrid& grid, std::uint32_t levels) {
  return grid.zero() + levels * grid.step();
}

float finite(std::mt19937_64& random) {
  while (true) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (std::isfinite(value)) return value;
  }
}

}  // namespace

TEST_CASE("a grid reaches over all that it is for, and its bits say all of it") {
  REPRISE_SEEDED(random);
  for (int round = 0; round < 20000; ++round) {
    float low = finite(random);
    float high = round % 2 == 0 ? finite(random)
                                : low + std::abs(low) * static_cast<float>(random() % 1000) * 1e-6F;
    if (low > high) std::swap(low, high);
    if (low == high || !std::isfinite(high)) continue;
    for (const std::uint32_t levels : {1U, 3U, 7U, 15U, 255U}) {
      const GroupGrid grid = GroupGrid::covering(low, high, levels);
      CAPTURE(low);
      CAPTURE(high);
      REQUIRE(grid.zero() <= static_cast<double>(low));
      // To the precision of the double that the test adds in.
      REQUIRE(top(grid, levels) >=
              static_cast<double>(high) - 0x1p-52 * std::abs(static_cast<double>(low)));
      REQUIRE_FALSE(grid.is_constant());
      const GroupGrid again(grid.bits(), levels);
      REQUIRE(again.zero() == grid.zero());
      REQUIRE(again.step() == grid.step());
      const auto step = static_cast<std::uint64_t>(std::bit_cast<std::uint64_t>(grid.step()));
      REQUIRE((step & ((std::uint64_t{1} << 38U) - 1U)) == 0);
    }
  }
}

TEST_CASE("a grid is ordinary where halves reach") {
  CHECK_FALSE(GroupGrid::covering(-3, 5, 15).is_wide());
  CHECK_FALSE(GroupGrid::covering(1000.3F, 1000.4F, 15).is_wide());
  CHECK(GroupGrid::covering(0, 70000, 15).is_wide());
  CHECK(GroupGrid::covering(-70000, 0, 15).is_wide());
  CHECK(GroupGrid::covering(1e-20F, 2e-20F, 15).is_wide());
  CHECK(GroupGrid::covering(-5, 10, 15).step() == 1.0);
  CHECK(GroupGrid::covering(-5, 10, 15).zero() == -5.0);
  constexpr float most = std::numeric_limits<float>::max();
  CHECK(std::isfinite(top(GroupGrid::covering(-most, most, 1), 1)));
}

TEST_CASE("the sign of zero is not in a grid") {
  CHECK(GroupGrid::covering(-0.0F, 1, 15).bits() == GroupGrid::covering(0.0F, 1, 15).bits());
}
