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
#include <reprise/planner/frontier.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/on_demand_player.hpp>
#include <reprise/planner/search_watch.hpp>
#include <reprise/planner/staged/finer_program.hpp>
#include <reprise/planner/staged/staged_plan.hpp>
#include <reprise/planner/staged/staged_schedule.hpp>
#include <reprise/program/bounds.hpp>
#include <reprise/program/simulate.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/cases.hpp"
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

std::optional<reprise::Plan> plan_or_none(const reprise::LocalSearch& search,
                                          const reprise::PlanRequest& request) {
  try {
    return search(request);
  } catch (const reprise::BudgetInfeasible&) {
    return std::nullopt;
  }
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
  CHECK(std::string(refused.what()).find("any plan at least 3 bytes (3 B): the bound forbids it") !=
        std::string::npos);
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
}

TEST_CASE("a refusal above the bound says what ended the attempts, and how many") {
  const Program program = chain(100);
  const reprise::LocalSearch search{.effort = {.tries = 50, .threads = 1}, .most_runs = 2};
  try {
    static_cast<void>(search({.program = program, .budget = 4}));
    FAIL("four bytes were enough for two runs of each operation");
  } catch (const reprise::BudgetInfeasible& refused) {
    const std::string what = refused.what();
    CAPTURE(what);
    CHECK(what.find("came to more than the 2 runs that an operation may have") !=
          std::string::npos);
  }
}

TEST_CASE("any schedule is a plan of a program with further stages, and needs no more there") {
  REPRISE_SEEDED(random);
  int found = 0;
  std::size_t further = 0;
  for (int trial = 0; trial < 300; ++trial) {
    CAPTURE(trial);
    const bool consumes = trial % 2 == 0;
    const Program program = reprise_test::wild_program(random, {.forwards = 2 + random() % 16,
                                                                .has_loss = random() % 2 == 0,
                                                                .only_repeatable = trial % 3 == 0,
                                                                .has_views = false,
                                                                .consumes = consumes});
    const byte_count bound = reprise::lower_bound_bytes(program);
    const reprise::OnDemandPlayer player(program);
    reprise::OnDemandLimit limit;
    for (const bool is_lazy : {false, true}) {
      for (const byte_count budget : {bound, bound + bound / 4, 2 * bound}) {
        const std::optional<reprise::Schedule> schedule =
            player.play(budget, {.takes_results_lazily = is_lazy}, 30, limit);
        if (!schedule) continue;
        const reprise::Simulation before = simulate(program, *schedule);
        const reprise::staged::FinerPlan plan = reprise::staged::finer_plan(program, *schedule);
        REQUIRE(reprise::staged::StagedPlan::can_run(plan.program->program(), plan.placements));
        const reprise::staged::StagedPlan placed(
            plan.program->program(), {.budget = static_cast<double>(budget)}, plan.placements);
        if (!consumes) CHECK(placed.fits());
        const reprise::Simulation after = simulate(
            program, plan.program->schedule_of_program(reprise::staged::schedule_of(placed)));
        if (consumes) continue;
        CHECK(after.peak_bytes <= before.peak_bytes);
        CHECK(after.recomputed_cost <= before.recomputed_cost * (1 + 1e-9));
        further += plan.program->stages().size();
        ++found;
      }
    }
  }
  CHECK(found > 300);
  CHECK(further > 0);
}

TEST_CASE("once a budget has a plan each larger one has, and costs no more along a frontier") {
  REPRISE_SEEDED(random);
  for (std::size_t trial = 0; trial < reprise_test::cases(25); ++trial) {
    CAPTURE(trial);
    const Program program = reprise_test::wild_program(random, {.forwards = 4 + random() % 16,
                                                                .has_loss = random() % 2 == 0,
                                                                .only_repeatable = trial % 2 == 0});
    const byte_count bound = reprise::sharper_lower_bound_bytes(program);
    std::vector<byte_count> budgets;
    for (byte_count i = 0; i <= 12; ++i) budgets.push_back(bound + bound * i / 8);
    reprise::LocalSearch search{{.tries = 60, .threads = 1}};
    bool has_plan = false;
    for (const byte_count budget : budgets) {
      CAPTURE(budget);
      const reprise::PlanRequest request{.program = program, .budget = budget};
      const std::optional<reprise::Plan> plan = plan_or_none(search, request);
      CHECK((plan || !has_plan));
      if (plan) reprise_test::check_plan(request, *plan);
      has_plan = has_plan || plan;
    }
    const auto plans = reprise::frontier(search, {.program = program}, budgets);
    for (std::size_t i = 1; i < plans.size(); ++i) {
      if (!plans[i - 1]) continue;
      REQUIRE(plans[i]);
      CHECK(plans[i]->recomputed_cost <= plans[i - 1]->recomputed_cost);
    }
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
