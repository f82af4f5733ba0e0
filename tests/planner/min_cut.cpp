// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always
#include <doctest/doctest.h>

#include <reprise/planner/min_cut.hpp>
#include <reprise/program/bounds.hpp>

#include "support/planner_conformance.hpp"
#include "support/random_program.hpp"
#include "support/recorded_programs.hpp"
#include "support/search_conformance.hpp"
#include "support/seed.hpp"

using reprise::MinCut;
using reprise::Program;

TEST_CASE("MinCut conforms") { reprise_test::check_planner(MinCut{}); }

TEST_CASE("MinCut is never below exhaustive search, and no bound of its is above it") {
  REPRISE_SEEDED(random);
  CHECK(reprise_test::median_over_optimum(MinCut{}, random, 60) < 2);
}

TEST_CASE("MinCut at one instant conforms, and is never better than with further ones") {
  const MinCut one{.looks_further = false};
  reprise_test::check_planner(one);
  for (std::uint32_t seed = 0; seed < 40; ++seed) {
    CAPTURE(seed);
    const Program program = reprise_test::random_program(seed);
    const reprise::byte_count all = MinCut{}({.program = program}).peak_bytes;
    for (reprise::byte_count tenths = 3; tenths < 10; ++tenths) {
      const reprise::PlanRequest request{.program = program, .budget = all * tenths / 10};
      const auto plan = reprise_test::plan_fresh(one, request);
      const auto further = reprise_test::plan_fresh(MinCut{}, request);
      if (!plan) continue;
      REQUIRE(further);
      CHECK(further->recomputed_cost <= plan->recomputed_cost);
      CHECK(further->lower_bound_cost == doctest::Approx(plan->lower_bound_cost));
    }
  }
}

TEST_CASE("the cheapest values that make room are recomputed, and the bound says that it is so") {
  // Four values of 10 bytes that cost 1, 2, 3, 4 are needed in the end; one of them has to go.
  std::vector<reprise::Value> values{{.kind = reprise::ValueKind::input}};
  std::vector<reprise::Operation> operations;
  for (std::uint32_t i = 0; i < 4; ++i) {
    values.push_back({.node = i, .bytes = 10});
    operations.push_back(
        {.node = i, .reads = {0}, .writes = {i + 1}, .cost = 1.0 + i, .repeatable = true});
  }
  // An early reader, without which a value need not exist before its last one.
  values.push_back({.node = 4, .bytes = 1});
  operations.push_back({.node = 4, .reads = {2, 3}, .writes = {5}, .repeatable = true});
  values.push_back({.node = 5, .bytes = 20});
  operations.push_back({.node = 5, .reads = {1, 4, 5}, .writes = {6}, .repeatable = true});
  for (std::uint32_t i = 0; i < 4; ++i) {
    values.push_back({.node = 6 + i, .bytes = 1});
    operations.push_back({.node = 6 + i, .reads = {i + 1, i + 6}, .writes = {i + 7}});
  }
  const Program program(std::move(values), std::move(operations), Program::no_operation, 1, true,
                        {10});
  CHECK(MinCut{}({.program = program, .budget = 61}).recomputed_cost == 0);
  const reprise::Plan plan = MinCut{}({.program = program, .budget = 51});
  // Values 1 and 4 are what the widest operation reads, so they are there anyway.
  CHECK(plan.recomputed_cost == 2);
  CHECK(plan.lower_bound_cost == doctest::Approx(2));
}

TEST_CASE("an operation that nothing needs yet runs later, at no cost") {
  // The mask of 30 bytes is for the last operation only.
  std::vector<reprise::Value> values{{.kind = reprise::ValueKind::input},
                                     {.node = 0, .bytes = 10},
                                     {.node = 1, .bytes = 30},
                                     {.node = 2, .bytes = 40},
                                     {.node = 3, .bytes = 1},
                                     {.node = 4, .bytes = 1}};
  std::vector<reprise::Operation> operations{
      {.node = 0, .reads = {0}, .writes = {1}, .cost = 5, .repeatable = true},
      {.node = 1, .reads = {1}, .writes = {2}, .cost = 5, .repeatable = true},
      {.node = 2, .reads = {1}, .writes = {3}, .cost = 5},
      {.node = 3, .reads = {3}, .writes = {4}, .cost = 5},
      {.node = 4, .reads = {2, 4}, .writes = {5}, .cost = 5}};
  const Program program(std::move(values), std::move(operations), Program::no_operation, 1, true,
                        {5});
  const reprise::Plan plan = MinCut{}({.program = program, .budget = 60});
  CHECK(plan.recomputed_cost == 0);
  CHECK(plan.peak_bytes < 80);
}

TEST_CASE("bytes that stages cannot count are refused, and the smallest costs end") {
  using reprise::Operation;
  using reprise::Value;
  const auto program_of = [](reprise::byte_count bytes, double cost) {
    std::vector<Value> values{{.bytes = bytes}, {.bytes = bytes}, {.bytes = 1}};
    std::vector<Operation> operations{{.writes = {0}, .cost = cost, .repeatable = true},
                                      {.writes = {1}, .cost = cost, .repeatable = true},
                                      {.reads = {0, 1}, .writes = {2}, .cost = cost}};
    return reprise::Program(std::move(values), std::move(operations),
                            reprise::Program::no_operation, 1, true, {2});
  };
  const auto huge = program_of(reprise::byte_count{1} << 52U, 1);
  CHECK_THROWS_AS(static_cast<void>(reprise::MinCut{}({.program = huge})),
                  reprise::InvalidArgument);
  for (const double cost : {5e-324, 1e-300, 1e149}) {
    CAPTURE(cost);
    const auto program = program_of(std::uint64_t{1} << 50U, cost);
    const auto plan = reprise::MinCut{}({.program = program});
    CHECK(plan.recomputed_cost == 0);
    CHECK_THROWS_AS(static_cast<void>(reprise::MinCut{}({.program = program, .budget = 7})),
                    reprise::BudgetInfeasible);
  }
}

TEST_CASE("MinCut that takes its first plan refuses just what it refuses anyway") {
  const MinCut first{.takes_first = true};
  REPRISE_SEEDED(random);
  for (int trial = 0; trial < 60; ++trial) {
    CAPTURE(trial);
    const Program program = reprise_test::random_recorded_program(random, 100);
    const reprise::byte_count least = reprise::lower_bound_bytes(program);
    const reprise::byte_count all = MinCut{}({.program = program}).peak_bytes;
    for (const unsigned share : {0U, 1U, 2U, 3U, 4U}) {
      const reprise::PlanRequest request{.program = program,
                                         .budget = least + (all - least) * share / 4};
      const auto plan = reprise_test::plan_fresh(first, request);
      const auto best = reprise_test::plan_fresh(MinCut{}, request);
      REQUIRE(plan.has_value() == best.has_value());
      if (!plan) continue;
      CHECK(plan->lower_bound_cost == best->lower_bound_cost);
      CHECK(reprise_test::plan_fresh(first, request)->schedule == plan->schedule);
    }
  }
}
