// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <reprise/planner/local_search.hpp>

#include "support/search_conformance.hpp"
#include "support/seed.hpp"

using reprise::LocalSearch;

TEST_CASE("LocalSearch conforms") {
  reprise_test::check_search(LocalSearch{{.tries = 2000, .threads = 1}});
}

TEST_CASE("plans of equal seed and number of tries do not depend on threads") {
  const reprise::Program program = reprise_test::chain_program(40);
  const reprise::PlanRequest request{.program = program, .budget = 300};
  const reprise::Plan alone = LocalSearch{{.tries = 4000, .threads = 1, .seed = 3}}(request);
  CHECK(LocalSearch{{.tries = 4000, .threads = 3, .seed = 3}}(request).schedule == alone.schedule);
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
