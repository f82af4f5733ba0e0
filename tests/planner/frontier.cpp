// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always
#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <reprise/eviction/dtr.hpp>
#include <reprise/planner/frontier.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/online.hpp>
#include <vector>

#include "support/planner_conformance.hpp"
#include "support/recorded_programs.hpp"
#include "support/seed.hpp"

namespace {

// A search that is lucky at some budgets only.
struct Moody {
  int calls = 0;

  reprise::Plan operator()(const reprise::PlanRequest& request) {
    if (++calls % 3 == 0) throw reprise::BudgetInfeasible("not today", request.budget, 0, 0);
    return reprise::LocalSearch{
        {.tries = 1 + 400 * static_cast<std::uint64_t>(calls % 2), .threads = 1}}(request);
  }
};

template <class P>
void check_frontier(P planner, const reprise::Program& program) {
  const reprise::byte_count least = reprise::lower_bound_bytes(program);
  const reprise::byte_count all = reprise::MinCut{}({.program = program}).peak_bytes;
  std::vector<reprise::byte_count> budgets;
  for (std::uint64_t i = 0; i <= 12; ++i) budgets.push_back(least + (all - least) * i / 12);
  reprise::PlanRequest request{.program = program};
  const auto plans = reprise::frontier(planner, request, budgets);
  REQUIRE(plans.size() == budgets.size());
  std::optional<double> cost;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    CAPTURE(i);
    if (cost) REQUIRE(plans[i]);
    if (!plans[i]) continue;
    request.budget = budgets[i];
    reprise_test::check_plan(request, *plans[i]);
    CHECK(plans[i]->lower_bound_cost <= plans[i]->recomputed_cost);
    if (cost) CHECK(plans[i]->recomputed_cost <= *cost);
    cost = plans[i]->recomputed_cost;
  }
}

}  // namespace

TEST_CASE("more memory never costs more, whatever the planner") {
  REPRISE_SEEDED(random);
  for (int i = 0; i < 30; ++i) {
    CAPTURE(i);
    const reprise::Program program = reprise_test::random_recorded_program(random, 40);
    check_frontier(Moody{}, program);
    check_frontier(reprise::LocalSearch{{.tries = 100, .threads = 1}}, program);
    check_frontier(reprise::Online<reprise::Dtr>{}, reprise_test::chain_program(12));
  }
}

TEST_CASE("budgets that fall are refused") {
  const reprise::Program program = reprise_test::chain_program(2);
  reprise::MinCut planner;
  const std::vector<reprise::byte_count> budgets{100, 99};
  CHECK_THROWS_WITH_AS(static_cast<void>(reprise::frontier(planner, {.program = program}, budgets)),
                       "budget 1 of a frontier is 99, below the one before it, 100",
                       reprise::InvalidArgument);
}
