// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <chrono>
#include <limits>
#include <optional>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/program/bounds.hpp>

#include "support/recorded_programs.hpp"
#include "support/search_conformance.hpp"
#include "support/seed.hpp"

using reprise::LocalSearch;

TEST_CASE("LocalSearch conforms") {
  reprise_test::check_search(LocalSearch{{.tries = 2000, .threads = 1}});
}

TEST_CASE("plans of equal seed and number of tries do not depend on threads") {
  REPRISE_SEEDED(random);
  for (int trial = 0; trial < 20; ++trial) {
    CAPTURE(trial);
    const reprise::Program program = reprise_test::random_recorded_program(random, 120);
    const reprise::byte_count least = reprise::lower_bound_bytes(program);
    const reprise::byte_count all = reprise::MinCut{}({.program = program}).peak_bytes;
    for (const unsigned share : {1U, 2U, 3U}) {
      const reprise::PlanRequest request{.program = program,
                                         .budget = least + (all - least) * share / 4};
      const auto plan_on = [&](unsigned threads) {
        return reprise_test::plan_fresh(LocalSearch{{.tries = 4000, .threads = threads, .seed = 3}},
                                        request);
      };
      const std::optional<reprise::Plan> alone = plan_on(1);
      for (const unsigned threads : {2U, 3U}) {
        const std::optional<reprise::Plan> together = plan_on(threads);
        REQUIRE(together.has_value() == alone.has_value());
        if (alone) CHECK(together->schedule == alone->schedule);
      }
    }
  }
}

TEST_CASE("LocalSearch is close to exhaustive search, and never below it or its bound") {
  REPRISE_SEEDED(random);
  CHECK(reprise_test::median_over_optimum(LocalSearch{{.tries = 4000, .threads = 1}}, random, 40) <=
        1.02);
}

TEST_CASE("a search for some time ends then") {
  const reprise::Program program = reprise_test::chain_program(200);
  const auto begin = std::chrono::steady_clock::now();
  static_cast<void>(LocalSearch{{.seconds = 0.1}}({.program = program, .budget = 1200}));
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  CHECK(taken.count() < 2.0);
}

TEST_CASE("a search refuses what is no time") {
  const reprise::Program program = reprise_test::chain_program(4);
  for (const double seconds :
       {-1.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    CAPTURE(seconds);
    CHECK_THROWS_AS(static_cast<void>(LocalSearch{{.seconds = seconds}}({.program = program})),
                    reprise::InvalidArgument);
  }
}
