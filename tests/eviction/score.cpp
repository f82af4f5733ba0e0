// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <reprise/eviction/score.hpp>

#include "support/seed.hpp"

namespace {

using reprise::AgeingScore;
using reprise::scoring::at;
using reprise::scoring::precedes;
using reprise::scoring::precedes_until;
using reprise::scoring::Quotient;
using reprise::scoring::rounded;

}  // namespace

TEST_CASE("a rounded quotient is what division of exact operands gives") {
  REPRISE_SEEDED(random);
  for (int i = 0; i < 100'000; ++i) {
    // Both operands are doubles themselves, so that the hardware's division rounds once.
    const std::uint64_t numerator = (random() >> (11 + random() % 53)) + 1;
    const std::uint64_t denominator = (random() >> (11 + random() % 53)) + 1;
    CAPTURE(numerator);
    CAPTURE(denominator);
    REQUIRE(rounded({numerator, denominator}) ==
            static_cast<double>(numerator) / static_cast<double>(denominator));
  }
}

TEST_CASE("a quotient of wide integers rounds to even") {
  // (2^54 + 1) / 2^54 lies half way to nothing: below the middle of 1 and its successor.
  constexpr std::uint64_t wide = (std::uint64_t{1} << 54U);
  CHECK(rounded({wide + 1, wide}) == 1.0);
  CHECK(rounded({wide + 2, wide}) == 1.0);  // the middle: to even
  CHECK(rounded({wide + 3, wide}) == 1.0 + 0x1p-52);
  CHECK(rounded({wide + 6, wide}) == 1.0 + 0x1p-51);  // the next middle: to even, upwards
}

TEST_CASE("infinity loses to everything, and the latest of equals goes") {
  const Quotient infinite{.numerator = 1, .denominator = 0};
  const Quotient zero{.numerator = 0, .denominator = 5};
  const Quotient half{.numerator = 1, .denominator = 2};
  const Quotient also_half{.numerator = 3, .denominator = 6};
  CHECK(precedes(half, 0, infinite, 1));
  CHECK_FALSE(precedes(infinite, 1, half, 0));
  CHECK(precedes(infinite, 1, infinite, 0));
  CHECK(precedes(zero, 0, half, 1));
  CHECK(precedes(zero, 0, zero, 1));  // the first zero ends a scan
  CHECK(precedes(also_half, 1, half, 0));
  CHECK_FALSE(precedes(half, 0, also_half, 1));
  CHECK(precedes({0, 0}, 1, infinite, 0));  // 0 / 0 is infinite too
}

TEST_CASE("an order holds as long as it is said to") {
  REPRISE_SEEDED(random);
  std::uint64_t moved = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t clock = 1 + random() % 1000;
    const auto draw = [&] {
      return AgeingScore{
          .numerator = random() % 20, .weight = random() % 20, .since = random() % (clock + 1)};
    };
    AgeingScore a = draw();
    AgeingScore b = draw();
    if (!precedes(at(a, clock), 0, at(b, clock), 1)) continue;
    const std::uint64_t until = precedes_until(a, b, clock);
    REQUIRE(until >= clock);
    moved += until > clock ? 1 : 0;
    for (int probe = 0; probe < 8; ++probe) {
      const std::uint64_t span = std::min<std::uint64_t>(until - clock, 1'000'000);
      const std::uint64_t later = probe == 0 ? clock + span : clock + random() % (span + 1);
      CAPTURE(later);
      REQUIRE(precedes(at(a, later), 0, at(b, later), 1));
    }
  }
  CHECK(moved > 1000);
}
