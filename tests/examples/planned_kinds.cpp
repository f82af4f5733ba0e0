// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Plans of nets that are unlike a residual one.

#include <doctest/doctest.h>

#include <cstdint>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/on_demand_player.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/program/bounds.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <reprise/program/simulate.hpp>

#include "nets.hpp"

// A cut gives up whole rows of a recurrent net's states, of which most can stay. A search that goes
// on from it at too low a price of a byte leaves the budget first and does not come back.
TEST_CASE("a search goes far beyond the cut of a recurrent net") {
  const reprise::Program program = kinds::recurrent(16);
  const reprise::byte_count all = reprise::MinCut{}({.program = program}).peak_bytes;
  const reprise::PlanRequest request{.program = program, .budget = all * 8 / 10};
  const double cut = reprise::MinCut{}(request).recomputed_cost;
  REQUIRE(cut > 0);
  for (const std::uint64_t seed : {0U, 100U, 200U}) {
    CAPTURE(seed);
    const reprise::LocalSearch search{{.tries = 16'000, .threads = 1, .seed = seed}};
    CHECK(search(request).recomputed_cost < 0.05 * cut);
  }
}

// The states of a tree's nodes are recomputed in long rows, so that searches from elsewhere do not
// come to a plan in their time: one goes on from the cut's plan, and does not leave the budget far.
TEST_CASE("a search improves on the cut of a tree where no other start comes to a plan") {
  const reprise::Program program = kinds::tree_shaped(5);
  const reprise::byte_count all = reprise::MinCut{}({.program = program}).peak_bytes;
  const reprise::PlanRequest request{.program = program, .budget = all / 2};
  const double cut = reprise::MinCut{}(request).recomputed_cost;
  for (const std::uint64_t seed : {0U, 100U, 200U}) {
    CAPTURE(seed);
    const reprise::LocalSearch search{{.tries = 12'000, .seed = seed}};
    CHECK(search(request).recomputed_cost < 0.8 * cut);
  }
}

TEST_CASE("where the cut of a tree does not fit, cuts at further instants follow what is nearest") {
  const reprise::Program program = kinds::tree_shaped(5);
  const reprise::byte_count all = reprise::MinCut{}({.program = program}).peak_bytes;
  const reprise::PlanRequest request{.program = program, .budget = all * 45 / 100};
  REQUIRE_THROWS_AS(static_cast<void>(reprise::MinCut{}(request)), reprise::BudgetInfeasible);
  const reprise::LocalSearch search{{.tries = 3'000}};
  CHECK(search(request).recomputed_cost < program.forward_cost());
}

TEST_CASE("where no cut fits, a search goes far beyond what recomputes on demand") {
  const reprise::Program program = kinds::unrolled_optimiser(6);
  const reprise::byte_count bound = reprise::sharper_lower_bound_bytes(program);
  const reprise::OnDemandPlayer player(program);
  reprise::OnDemandLimit limit;
  reprise::PlanRequest request{.program = program, .budget = bound * 13 / 10};
  std::optional<reprise::Schedule> schedule;
  while (!schedule) {
    request.budget += bound / 20;
    schedule = player.play(request.budget, {.bytes_power = 0.5}, 30, limit);
  }
  REQUIRE_THROWS_AS(static_cast<void>(reprise::MinCut{}(request)), reprise::BudgetInfeasible);
  const reprise::LocalSearch search{{.tries = 4000, .threads = 1}};
  const reprise::Plan plan = search(request);
  CHECK(simulate(program, plan.schedule).peak_bytes <= request.budget);
  CHECK(plan.recomputed_cost < 0.7 * simulate(program, *schedule).recomputed_cost);
}
