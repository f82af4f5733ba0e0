// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// The tournament chooses what a scan in the order of joining chooses, ties included.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <reprise/eviction/victim_index.hpp>
#include <reprise/eviction/victim_scan.hpp>
#include <vector>

#include "support/seed.hpp"

namespace {

using reprise::AgeingScore;
using reprise::FixedScore;

AgeingScore draw(std::mt19937_64& random, std::uint64_t clock, std::uint64_t range, AgeingScore*) {
  return {.numerator = random() % range,
          .weight = random() % range,
          .since = clock - random() % (std::min<std::uint64_t>(clock, range))};
}
FixedScore draw(std::mt19937_64& random, std::uint64_t, std::uint64_t range, FixedScore*) {
  return {.numerator = random() % range, .denominator = random() % range};
}

template <class Score>
double value(const Score& score, std::uint64_t clock) {
  const reprise::scoring::Quotient q = reprise::scoring::at(score, clock);
  if (q.is_infinite()) return std::numeric_limits<double>::infinity();
  return q.numerator == 0 ? 0.0 : reprise::scoring::rounded(q);
}

}  // namespace

TEST_CASE_TEMPLATE("the index chooses the scan's victim", Score, AgeingScore, FixedScore) {
  REPRISE_SEEDED(random);
  // Small ranges make many ties, large ones the scores of real programs.
  for (const std::uint64_t range : {3ULL, 50ULL, 1'000'000ULL, 40'000'000'000ULL}) {
    CAPTURE(range);
    reprise::VictimIndex<Score> index;
    reprise::VictimScan scan;
    std::vector<Score> scores(300);
    std::vector<std::uint8_t> is_in(300, 0);
    std::uint64_t joined = 0;
    std::uint64_t clock = range + 1;
    std::vector<std::uint64_t> places(300, 0);
    for (int step = 0; step < 20'000; ++step) {
      const auto entry = static_cast<std::uint32_t>(random() % scores.size());
      switch (random() % 4) {
        case 0:
          if (is_in[entry] == 0) places[entry] = joined++;
          is_in[entry] = 1;
          scores[entry] = draw(random, clock, range, static_cast<Score*>(nullptr));
          index.set(entry, scores[entry], places[entry]);
          scan.set(entry, places[entry]);
          break;
        case 1:
          is_in[entry] = 0;
          index.erase(entry);
          scan.erase(entry);
          break;
        case 2:
          clock += random() % (1 + random() % range);
          break;
        default: {
          REQUIRE(index.size() == scan.size());
          const std::uint32_t expected =
              scan.choose([&](std::uint32_t e) { return value(scores[e], clock); });
          REQUIRE(index.choose(clock) == expected);
          if (expected == reprise::VictimScan::nobody || random() % 2 == 0) break;
          is_in[expected] = 0;
          index.erase(expected);
          scan.erase(expected);
        }
      }
    }
  }
}

TEST_CASE("an empty index chooses nobody") {
  reprise::VictimIndex<AgeingScore> index;
  CHECK(index.choose(1) == reprise::VictimIndex<AgeingScore>::nobody);
  index.set(7, {.numerator = 1, .weight = 1, .since = 0}, 0);
  CHECK(index.choose(1) == 7);
  index.erase(7);
  index.erase(7);
  CHECK(index.size() == 0);
  CHECK(index.choose(2) == reprise::VictimIndex<AgeingScore>::nobody);
}
