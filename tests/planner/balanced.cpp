// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always
#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <reprise/planner/balanced.hpp>
#include <reprise/planner/local_search.hpp>
#include <utility>
#include <vector>

#include "support/chain_program.hpp"
#include "support/counted_clock.hpp"
#include "support/search_conformance.hpp"
#include "support/seed.hpp"

using reprise::Balanced;

namespace {

/// A chain of layers for a batch of some length: all bytes and costs grow with it.
reprise::Program chain_of_length(reprise::byte_count length) {
  const reprise::Program one = reprise_test::chain_program(60);
  std::vector<reprise::Value> values(one.values().begin(), one.values().end());
  std::vector<reprise::Operation> operations(one.operations().begin(), one.operations().end());
  for (reprise::Value& value : values) value.bytes *= length;
  for (reprise::Operation& op : operations) op.cost *= static_cast<double>(length);
  return {std::move(values), std::move(operations), one.loss(), one.layer_count(), true};
}

}  // namespace

TEST_CASE("Balanced conforms") { reprise_test::check_search(Balanced{{.tries = 2000}}); }

TEST_CASE("Balanced is close to exhaustive search, and never below it or its bound") {
  REPRISE_SEEDED(random);
  CHECK(reprise_test::median_over_optimum(Balanced{{.tries = 4000}}, random, 40) <= 1.02);
}

TEST_CASE("a replan is never worse than the plan before it") {
  REPRISE_SEEDED(random);
  for (int i = 0; i < 20; ++i) {
    CAPTURE(i);
    const reprise::Program program = reprise_test::random_recorded_program(random, 60);
    const reprise::byte_count least = reprise::lower_bound_bytes(program);
    const reprise::byte_count all =
        reprise::LocalSearch{{.tries = 1}}({.program = program}).peak_bytes;
    reprise::PlanRequest request{.program = program, .budget = (least + all) / 2};
    Balanced planner{{.tries = 50}};
    double cost = std::numeric_limits<double>::infinity();
    for (request.step = 0; request.step < 10; ++request.step) {
      try {
        const reprise::Plan plan = planner(request);
        reprise_test::check_plan(request, plan);
        CHECK(plan.recomputed_cost <= cost);
        cost = plan.recomputed_cost;
      } catch (const reprise::BudgetInfeasible&) {
        CHECK(cost == std::numeric_limits<double>::infinity());
      }
    }
  }
}

TEST_CASE("asked again for the step that it planned last it gives the same plan, restored too") {
  const reprise::Program program = reprise_test::chain_program(60);
  reprise::PlanRequest request{.program = program, .budget = 200, .step = 7};
  Balanced planner{{.tries = 500}};
  const reprise::Plan plan = planner(request);
  CHECK(plan.recomputed_cost > 0);
  CHECK(planner(request).schedule == plan.schedule);
  Balanced other{{.tries = 1, .seed = 99}};
  other.restore(planner.state());
  const reprise::Plan again = other(request);
  CHECK(again.schedule == plan.schedule);
  CHECK(again.lower_bound_cost == plan.lower_bound_cost);
  CHECK(other.state() == planner.state());
}

TEST_CASE("a state that no plan has is refused, and one of another program is not used") {
  const reprise::Program program = reprise_test::chain_program(60);
  const reprise::PlanRequest request{.program = program, .budget = 200};
  Balanced planner{{.tries = 500}};
  const reprise::Plan plan = planner(request);
  const std::vector<std::uint64_t> state = planner.state();
  CHECK_THROWS_AS(planner.restore({}), reprise::CorruptState);
  std::vector<std::uint64_t> backwards = state;
  backwards.push_back(state.back());
  CHECK_THROWS_AS(planner.restore(backwards), reprise::CorruptState);
  CHECK(planner.state() == state);

  // Operations and stages that the program does not have, in an order that could be.
  std::vector<std::uint64_t> foreign = state;
  foreign.push_back(std::uint64_t{0xFFFFFFF0U} << 32U | 0xFFFFFFF1U);
  planner.restore(foreign);
  reprise_test::check_plan(request, planner(request));
}

TEST_CASE("shares and times that are none are refused") {
  CHECK_THROWS_AS(Balanced({.share = 1.5}), reprise::InvalidArgument);
  CHECK_THROWS_AS(Balanced({.first_seconds = -1}), reprise::InvalidArgument);
}

TEST_CASE("a search takes its share of the time between two replans, and no more than the most") {
  REPRISE_SEEDED(random);
  constexpr int slack = 40;  // each part of a search looks a few times when it is too late
  for (int i = 0; i < 5; ++i) {
    CAPTURE(i);
    const reprise::Program program = reprise_test::random_recorded_program(random, 200);
    const reprise::byte_count least = reprise::lower_bound_bytes(program);
    const reprise::byte_count all = reprise::MinCut{}({.program = program}).peak_bytes;
    const reprise::byte_count budget = least + 3 * (all - least) / 4;
    reprise::PlanRequest request{.program = program, .budget = budget};
    for (const unsigned threads : {1U, 3U}) {
      CAPTURE(threads);
      reprise_test::CountedClock clock;
      Balanced planner(
          {.share = 0.01, .first_seconds = 0.05, .most_seconds = 0.2, .threads = threads}, clock);
      const auto looks_of_next = [&] {
        const int before = clock.looks();
        reprise_test::check_plan(request, planner(request));
        ++request.step;
        return clock.looks() - before;
      };
      const int many = slack * static_cast<int>(threads);
      CHECK(looks_of_next() <= 50 + many);
      for (const int seconds : {0, 1, 10, 15}) {
        CAPTURE(seconds);
        clock.pass(std::chrono::seconds(seconds));
        CHECK(looks_of_next() <= 10 * seconds + many);
      }
      clock.pass(std::chrono::hours(1));
      CHECK(looks_of_next() <= 200 + many);
    }
  }
}

TEST_CASE("a search that finds no plan is begun anew with twice the time, up to the most") {
  REPRISE_SEEDED(random);
  int begun_anew = 0;
  for (int i = 0; i < 6; ++i) {
    CAPTURE(i);
    const reprise::Program program = reprise_test::random_recorded_program(random, 200);
    const reprise::byte_count least = reprise::lower_bound_bytes(program);
    for (const double most : {0.0, 0.02, 0.3}) {
      CAPTURE(most);
      const reprise_test::CountedClock clock;
      Balanced planner({.first_seconds = 0.01, .most_seconds = most}, clock);
      const reprise::PlanRequest request{.program = program, .budget = least};
      try {
        reprise_test::check_plan(request, planner(request));
      } catch (const reprise::BudgetInfeasible& refused) {
        CHECK(refused.smallest_budget() > request.budget);
      }
      // In all less than twice the last one, and each looks a few times when it is too late.
      CHECK(clock.looks() <= 2 * static_cast<int>(most * 1000) + 6 * 40);
      begun_anew += clock.looks() > 60 ? 1 : 0;
    }
  }
  CHECK(begun_anew > 0);
}

TEST_CASE("a plan serves shapes that are nearly as large, where steps take less than a planner") {
  constexpr reprise::byte_count budget = 150 * 1000;
  const auto plan_for = [](Balanced& planner, reprise::byte_count length) {
    const reprise::Program program = chain_of_length(length);
    const reprise::PlanRequest request{.program = program, .budget = budget};
    reprise::Plan plan = planner(request);
    reprise_test::check_plan(request, plan);
    return plan;
  };
  const reprise_test::CountedClock clock;
  Balanced planner({.first_seconds = 0.5}, clock);
  const reprise::Plan first = plan_for(planner, 1000);
  REQUIRE(first.recomputed_cost > 0);
  const auto looks_for = [&](reprise::byte_count length) {
    const int before = clock.looks();
    static_cast<void>(plan_for(planner, length));
    return clock.looks() - before;
  };
  CHECK(looks_for(999) <= 3);
  CHECK(looks_for(998) <= 3);
  CHECK(plan_for(planner, 997).recomputed_cost == first.recomputed_cost * 997 / 1000);
  // It does not fit, and then it would recompute far too much.
  CHECK(looks_for(1100) > 3);
  CHECK(looks_for(500) > 3);
  // The first one is known still.
  CHECK(looks_for(996) <= 3);
}

TEST_CASE("where tries count, a plan does not depend on shapes that came before") {
  constexpr reprise::byte_count budget = 150 * 1000;
  Balanced planner({.tries = 100});
  for (const reprise::byte_count length : {1000U, 999U, 998U}) {
    const reprise::Program program = chain_of_length(length);
    const reprise::PlanRequest request{.program = program, .budget = budget};
    const reprise::Plan plan = planner(request);
    CHECK(plan.schedule == Balanced({.tries = 100})(request).schedule);
  }
}
