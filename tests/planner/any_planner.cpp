// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always
#include <doctest/doctest.h>

#include <concepts>
#include <cstdint>
#include <reprise/core/error.hpp>
#include <reprise/planner/any_planner.hpp>
#include <reprise/planner/balanced.hpp>
#include <reprise/planner/gradient_threshold.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/scheduler/replan_every.hpp>
#include <reprise/threshold/median_threshold.hpp>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/chain_program.hpp"
#include "support/planner_conformance.hpp"

using reprise::AnyPlanner;

TEST_CASE("AnyPlanner conforms where its planner does") {
  reprise_test::check_planner(AnyPlanner(reprise::StoreAll{}));
  reprise_test::check_planner(AnyPlanner(reprise::MinCut{}));
}

TEST_CASE("AnyPlanner plans as its planner does, and so does a copy") {
  const auto program = reprise_test::chain_program(9);
  const auto all = reprise::StoreAll{}({.program = program}).peak_bytes;
  const reprise::PlanRequest request{.program = program, .budget = all * 3 / 4};
  const auto expected = reprise::MinCut{}(request);
  AnyPlanner planner(reprise::MinCut{});
  AnyPlanner copy = planner;
  CHECK(planner(request).schedule == expected.schedule);
  CHECK(copy(request).schedule == expected.schedule);
  copy = AnyPlanner(reprise::StoreAll{});
  CHECK_THROWS_AS(static_cast<void>(copy(request)), reprise::BudgetInfeasible);
  planner = copy;
  CHECK_THROWS_AS(static_cast<void>(planner(request)), reprise::BudgetInfeasible);
  CHECK_FALSE(std::constructible_from<AnyPlanner, int>);
}

TEST_CASE("AnyPlanner says whether its planner looks at statistics") {
  CHECK(ignores_statistics(AnyPlanner(reprise::StoreAll{})));
  CHECK_FALSE(ignores_statistics(
      AnyPlanner(reprise::GradientThreshold(reprise::MedianThreshold{.alpha = 1}))));
  CHECK_FALSE(ignores_statistics(AnyPlanner(reprise::Balanced{})));
}

TEST_CASE("a scheduler asks AnyPlanner as often as the planner itself") {
  const auto program = reprise_test::chain_program(5);
  const std::vector<double> statistics(program.layer_count(), 1.0);
  const auto plans_made = [&](auto planner) {
    reprise::CheckpointScheduler scheduler{std::move(planner), reprise::ReplanEvery{.steps = 2}};
    for (std::uint64_t step = 0; step < 6; ++step) {
      scheduler.begin_step(statistics, step);
      static_cast<void>(scheduler.plan(1, program, reprise::unlimited_bytes));
    }
    return scheduler.plans_made();
  };
  const reprise::GradientThreshold by_gradient{reprise::MedianThreshold{.alpha = 1}};
  CHECK(plans_made(AnyPlanner(reprise::StoreAll{})) == 1);
  CHECK(plans_made(AnyPlanner(by_gradient)) == plans_made(by_gradient));
  CHECK(plans_made(AnyPlanner(by_gradient)) == 3);
}

TEST_CASE("AnyPlanner saves and restores what its planner remembers") {
  const auto program = reprise_test::chain_program(9);
  const auto all = reprise::StoreAll{}({.program = program}).peak_bytes;
  const reprise::PlanRequest request{.program = program, .budget = all * 3 / 4};
  AnyPlanner planner(reprise::Balanced{{.tries = 20}});
  const auto plan = planner(request);
  AnyPlanner resumed(reprise::Balanced{{.tries = 20}});
  resumed.restore(planner.state());
  CHECK(resumed.state() == planner.state());
  CHECK(resumed(request).schedule == plan.schedule);

  AnyPlanner stateless(reprise::StoreAll{});
  CHECK(stateless.state().empty());
  stateless.restore({});
  CHECK_THROWS_AS(stateless.restore({1}), reprise::CorruptState);
  CHECK_THROWS_AS(resumed.restore({1}), reprise::CorruptState);
}
