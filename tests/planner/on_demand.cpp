// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always

#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <reprise/core/error.hpp>
#include <reprise/planner/balanced.hpp>
#include <reprise/planner/budget_infeasible.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/on_demand_player.hpp>
#include <reprise/planner/plan_on_demand.hpp>
#include <reprise/planner/search_watch.hpp>
#include <reprise/program/bounds.hpp>
#include <reprise/program/simulate.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/counted_clock.hpp"
#include "support/planner_conformance.hpp"
#include "support/seed.hpp"
#include "support/wild_program.hpp"

namespace {

using reprise::byte_count;
using reprise::Program;
using reprise::value_id;

// A chain of equal operations and the way back, each step of which reads one value and a gradient.
Program chain(std::uint32_t length) {
  std::vector<reprise::Value> values;
  std::vector<reprise::Operation> operations;
  for (std::uint32_t i = 0; i < 2 * length; ++i) {
    reprise::Operation op{.node = i, .writes = {i}, .cost = 1, .repeatable = true};
    if (i > 0) op.reads.push_back(i - 1);
    if (i > length) op.reads.push_back(2 * length - 1 - i);
    values.push_back({.node = i, .bytes = 1});
    operations.push_back(std::move(op));
  }
  return {std::move(values), std::move(operations), Program::no_operation, 1, true,
          {2 * length - 1}};
}

}  // namespace

TEST_CASE("a chain of 1,000 is reversed at a hundredth of what it keeps") {
  const Program program = chain(1000);
  const reprise::OnDemandPlayer player(program);
  constexpr std::uint32_t most_runs = 30;
  reprise::OnDemandLimit limit;
  const std::optional<reprise::Schedule> schedule =
      player.play(10, {.level_power = 1}, most_runs, limit);
  REQUIRE(schedule);
  CHECK(simulate(program, *schedule).peak_bytes <= 10);
  std::vector<std::uint32_t> runs(program.operations().size(), 0);
  for (const reprise::Action& action : schedule->actions) {
    if (action.kind == reprise::ActionKind::run) ++runs[action.index];
  }
  for (const std::uint32_t count : runs) CHECK(count <= most_runs);
  CHECK_FALSE(player.play(4, {.level_power = 1}, most_runs, limit));
}

TEST_CASE("a search recomputes on demand below what stages meet, within the runs allowed") {
  const Program program = chain(100);
  const auto refusal_of = [&](std::uint32_t most_runs) -> reprise::BudgetInfeasible {
    const reprise::LocalSearch search{.effort = {.tries = 50, .threads = 1},
                                      .most_runs = most_runs};
    try {
      static_cast<void>(search({.program = program, .budget = 2}));
    } catch (const reprise::BudgetInfeasible& refused) {
      const reprise::PlanRequest request{.program = program, .budget = refused.smallest_budget()};
      reprise_test::check_plan(request, search(request));
      return refused;
    }
    throw std::logic_error("two bytes were enough");
  };
  const reprise::BudgetInfeasible refused = refusal_of(30);
  CHECK(refused.smallest_budget() < refusal_of(1).smallest_budget());
  CHECK(std::string(refused.what()).find("at most 30 runs of an operation") != std::string::npos);
}

TEST_CASE("a plan that no search finds is the same one after its state is restored") {
  const reprise::Program program = chain(200);
  reprise::PlanRequest request{.program = program};
  try {
    request.budget = 0;
    static_cast<void>(reprise::Balanced{{.tries = 50}}(request));
    FAIL("a budget of no byte was accepted");
  } catch (const reprise::BudgetInfeasible& refused) {
    request.budget = refused.smallest_budget();
  }
  CHECK_THROWS_AS(static_cast<void>(reprise::Balanced{{.tries = 50, .most_runs = 0}}(request)),
                  reprise::BudgetInfeasible);
  reprise::Balanced planner{{.tries = 50}};
  const reprise::Plan plan = planner(request);
  reprise_test::check_plan(request, plan);
  ++request.step;
  CHECK(planner(request).schedule == plan.schedule);
  reprise::Balanced other{{.tries = 5'000, .seed = 99}};
  other.restore(planner.state());
  CHECK(other.state() == planner.state());
  CHECK(other(request).schedule == plan.schedule);
}

TEST_CASE("a limit ends what takes long, by work and by the clock, and the refusal stays") {
  const Program program = chain(1000);
  const reprise::OnDemandPlayer player(program);
  reprise::OnDemandLimit little{.work = 1000};
  CHECK_THROWS_AS(static_cast<void>(player.play(10, {}, 30, little)), reprise::staged::TimeIsUp);
  const reprise_test::CountedClock clock;
  reprise::OnDemandLimit late{.watch = {clock, clock.now() - std::chrono::seconds(1)}};
  CHECK_THROWS_AS(static_cast<void>(player.play(10, {}, 30, late)), reprise::staged::TimeIsUp);

  const reprise::PlanRequest request{.program = program, .budget = 4};
  const reprise::BudgetInfeasible refusal = reprise::budget_infeasible(
      {.planner = "a search", .budget = 4, .smallest = 2000, .how = "found", .bound = 3});
  try {
    static_cast<void>(reprise::plan_on_demand("a search", request, 30, refusal, {.work = 1000}));
    FAIL("a budget was met in no time");
  } catch (const reprise::BudgetInfeasible& refused) {
    CHECK(refused.smallest_budget() == 2000);
  }
}

TEST_CASE("what a player finds is valid, within its budget and never below the bound") {
  REPRISE_SEEDED(random);
  int found = 0;
  for (int trial = 0; trial < 300; ++trial) {
    CAPTURE(trial);
    const Program program = reprise_test::wild_program(
        random, {.forwards = 2 + random() % 16, .has_loss = random() % 2 == 0});
    const byte_count bound = reprise::lower_bound_bytes(program);
    const reprise::OnDemandPlayer player(program);
    reprise::OnDemandLimit limit;
    for (const byte_count budget : {bound, bound + bound / 4, 2 * bound}) {
      for (const double level : {0.0, 1.0}) {
        const std::optional<reprise::Schedule> schedule =
            player.play(budget, {.bytes_power = 0.5, .level_power = level}, 30, limit);
        if (!schedule) continue;
        ++found;
        const byte_count peak = simulate(program, *schedule).peak_bytes;
        CHECK(peak <= budget);
        CHECK(peak >= bound);
      }
    }
  }
  CHECK(found > 300);
}
