// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <reprise/planner/gradient_threshold.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/threshold/constant_threshold.hpp>
#include <vector>

#include "support/planner_conformance.hpp"

namespace {

using reprise::CheckpointScheduler;
using reprise::ReplanEvery;
using reprise::unlimited_bytes;

const std::vector<double> statistics{1.0, 3.0};

}  // namespace

TEST_CASE("plans are made anew after the given number of steps, or never") {
  const auto program = reprise_test::chain_program(2);
  const auto plans_after = [&](ReplanEvery every, std::uint64_t steps) {
    CheckpointScheduler scheduler{reprise::StoreAll{}, every};
    for (std::uint64_t step = 0; step < steps; ++step) {
      scheduler.begin_step(statistics, step);
      static_cast<void>(scheduler.plan(1, program, unlimited_bytes));
      static_cast<void>(scheduler.plan(1, program, unlimited_bytes));
    }
    return scheduler.plans_made();
  };
  CHECK(plans_after({.steps = 3}, 3) == 1);
  CHECK(plans_after({.steps = 3}, 4) == 2);
  CHECK(plans_after({.steps = 3}, 7) == 3);
  CHECK(plans_after({.steps = 0}, 50) == 1);
}

TEST_CASE("the first statistics trigger a replan, later ones wait for the next") {
  const auto program = reprise_test::chain_program(2);
  CheckpointScheduler scheduler{reprise::GradientThreshold{reprise::ConstantThreshold{.tau = 2.0}}};
  const auto cost = [&] { return scheduler.plan(1, program, unlimited_bytes)->recomputed_cost; };
  scheduler.begin_step({}, 0);
  CHECK(cost() == 0);
  scheduler.begin_step({}, 1);
  CHECK(cost() == 0);
  CHECK(scheduler.plans_made() == 1);
  scheduler.begin_step(statistics, 2);
  CHECK(cost() == 1);
  CHECK(scheduler.plans_made() == 2);
  scheduler.begin_step(std::vector<double>{3.0, 3.0}, 3);
  CHECK(cost() == 1);
  CHECK(scheduler.plans_made() == 2);
}

TEST_CASE("a plan holds for its signature until it is forgotten") {
  const auto program = reprise_test::chain_program(2);
  CheckpointScheduler scheduler{reprise::StoreAll{}};
  scheduler.begin_step({}, 0);
  const auto first = scheduler.plan(1, program, unlimited_bytes);
  CHECK(scheduler.plan(2, program, unlimited_bytes) != first);
  CHECK(scheduler.plan(1, program, unlimited_bytes) == first);
  scheduler.forget(1);
  CHECK(scheduler.plan(1, program, unlimited_bytes) != first);
  CHECK(scheduler.plans_made() == 3);
}

TEST_CASE("an override holds from the next step's plans on") {
  const auto program = reprise_test::chain_program(2);
  CheckpointScheduler scheduler{reprise::StoreAll{}};
  scheduler.begin_step({}, 0);
  CHECK(scheduler.plan(1, program, unlimited_bytes)->recomputed_cost == 0);
  scheduler.override_layer(0, reprise::LayerOverride::forced);
  CHECK(scheduler.plan(1, program, unlimited_bytes)->recomputed_cost == 0);
  scheduler.begin_step({}, 1);
  CHECK(scheduler.plan(1, program, unlimited_bytes)->recomputed_cost == 1);
  scheduler.override_layer(2, reprise::LayerOverride::pinned);
  scheduler.begin_step({}, 2);
  CHECK_THROWS_AS(static_cast<void>(scheduler.plan(1, program, unlimited_bytes)),
                  reprise::InvalidArgument);
}
