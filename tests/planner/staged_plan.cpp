// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <reprise/planner/staged/staged_plan.hpp>
#include <reprise/planner/staged/staged_schedule.hpp>
#include <reprise/program/simulate.hpp>
#include <vector>

#include "support/chain_program.hpp"
#include "support/place_random.hpp"
#include "support/random_program.hpp"
#include "support/seed.hpp"

namespace {

using reprise::Program;
using reprise::staged::StagedPlan;
using reprise::staged::StagedProgram;
using reprise_test::peak_of;

bool has_views(const Program& program) {
  return std::ranges::any_of(program.values(),
                             [](const reprise::Value& value) { return value.view_of.has_value(); });
}

void check_equal(const StagedPlan& one, const StagedPlan& other) {
  CHECK(one.placements() == other.placements());
  CHECK(one.cost() == doctest::Approx(other.cost()));
  for (std::size_t s = 0; s < one.profile().size(); ++s) {
    CAPTURE(s);
    CHECK(one.profile()[s] == other.profile()[s]);
  }
  CHECK(one.profile().violation() == other.profile().violation());
}

}  // namespace

TEST_CASE("without reruns the schedule is the program with each value dropped after its last use") {
  const Program program = reprise_test::chain_program(3);
  const StagedProgram staged(program);
  const StagedPlan plan(staged, {.budget = 1000});
  CHECK(plan.cost() == 0);
  CHECK(plan.fits());
  const reprise::Simulation played = simulate(program, schedule_of(plan));
  CHECK(played.recomputed_cost == 0);
  CHECK(static_cast<double>(played.peak_bytes) == peak_of(plan));
}

TEST_CASE("each set of placements plays as the plan says, on programs of every kind") {
  REPRISE_SEEDED(random);
  for (std::uint32_t seed = 0; seed < 400; ++seed) {
    CAPTURE(seed);
    const Program program = seed < 20 ? reprise_test::chain_program(1 + seed % 12, seed % 2 == 0)
                                      : reprise_test::random_program(seed);
    const StagedProgram staged(program);
    StagedPlan plan(staged, {.budget = static_cast<double>(random() % 1000)});
    reprise_test::place_random(plan, random, 30);
    plan.settle();
    const reprise::Simulation played = simulate(program, schedule_of(plan));
    CHECK(played.recomputed_cost == doctest::Approx(plan.cost()));
    // Where a view outlives a recompute of its source the plan may count it longer.
    CHECK(static_cast<double>(played.peak_bytes) <= peak_of(plan));
    if (!has_views(program)) CHECK(static_cast<double>(played.peak_bytes) == peak_of(plan));
  }
}

TEST_CASE("what stays is held from its first making on, and a rerun makes only a copy of it") {
  std::vector<reprise::Value> values{{.bytes = 100}, {.bytes = 4, .stays = true}, {.bytes = 1}};
  std::vector<reprise::Operation> operations{{.writes = {0, 1}, .cost = 1, .repeatable = true},
                                             {.transient_bytes = 50},
                                             {.reads = {0}, .writes = {2}, .cost = 1}};
  const Program program(std::move(values), std::move(operations), Program::no_operation, 1, true,
                        {2});
  const StagedProgram staged(program);
  StagedPlan plan(staged, {.budget = 1000});
  plan.add(0, 2);
  plan.settle();
  CHECK(plan.spans(1).size() == 1);
  using reprise::Action;
  CHECK(schedule_of(plan).actions == std::vector<Action>{Action::run(0), Action::drop(0),
                                                         Action::run(1), Action::run(0),
                                                         Action::run(2), Action::drop(0)});
  const reprise::Simulation played = simulate(program, schedule_of(plan));
  CHECK(static_cast<double>(played.peak_bytes) == peak_of(plan));
  CHECK(plan.profile()[1] + plan.limits().budget == 54);
}

TEST_CASE("an operation that makes only what stays may be deferred, and never runs again") {
  std::vector<reprise::Value> values{{.bytes = 4, .stays = true}, {.bytes = 1}};
  std::vector<reprise::Operation> operations{{.writes = {0}, .cost = 1, .repeatable = true},
                                             {.writes = {1}, .cost = 1}};
  const Program program(std::move(values), std::move(operations), Program::no_operation, 1, true,
                        {1});
  const StagedProgram staged(program);
  using reprise::staged::Placement;
  CHECK(StagedPlan::can_run(staged, std::vector<Placement>{{0, 0}, {0, 1}}));
  CHECK_FALSE(StagedPlan::can_run(staged, std::vector<Placement>{{0, 1}}));
}

TEST_CASE("a plan that was rolled back is the plan before, and one placed anew is the same") {
  REPRISE_SEEDED(random);
  for (std::uint32_t seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    const Program program = reprise_test::random_program(seed);
    const StagedProgram staged(program);
    StagedPlan plan(staged, {.budget = static_cast<double>(random() % 1000)});
    reprise_test::place_random(plan, random, 10);
    plan.settle();
    plan.commit();
    const StagedPlan before = plan;
    reprise_test::place_random(plan, random, 10);
    if (random() % 2 == 0) plan.settle();
    reprise_test::place_random(plan, random, 3);
    plan.roll_back();
    check_equal(plan, before);
    check_equal(plan, StagedPlan(staged, plan.limits(), plan.placements()));
    reprise_test::place_random(plan, random, 10);
    plan.reset(before.placements());
    check_equal(plan, before);
  }
}

TEST_CASE("what may live at the loss is a limit of its own") {
  const Program program = reprise_test::chain_program(4);
  const StagedProgram staged(program);
  const auto rest = static_cast<double>(
      simulate(program, schedule_of(StagedPlan(staged, {.budget = 1000}))).boundary_bytes);
  CHECK(StagedPlan(staged, {.budget = 1000, .rest = rest}).fits());
  CHECK_FALSE(StagedPlan(staged, {.budget = 1000, .rest = rest - 1}).fits());
}

TEST_CASE(
    "a layer that must be saved is not repeatable, and what one that must be recomputed saved may "
    "not live at the loss") {
  const Program program = reprise_test::chain_program(3);
  std::vector<reprise::LayerOverride> overrides(3, reprise::LayerOverride::none);
  overrides[1] = reprise::LayerOverride::must_save;
  CHECK_FALSE(StagedProgram(program, overrides).step(1).is_repeatable);
  overrides[1] = reprise::LayerOverride::must_recompute;
  const StagedProgram staged(program, overrides);
  StagedPlan plan(staged, {.budget = 1000});
  CHECK_FALSE(plan.fits());
  plan.add(1, 5);  // layer 1's saved state is read by its backward, operation 5
  plan.settle();
  CHECK(plan.fits());
}
