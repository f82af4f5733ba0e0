// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/staged/staged_plan.hpp>
#include <vector>

#include "support/exhaustive_plan.hpp"
#include "support/planner_conformance.hpp"
#include "support/recorded_programs.hpp"
#include "support/wild_forms.hpp"

namespace reprise_test {

/// A planner's answer from a fresh copy, checked; nothing if it refuses the budget.
template <reprise::Planner P>
std::optional<reprise::Plan> plan_fresh(const P& planner, const reprise::PlanRequest& request) {
  P fresh = planner;
  try {
    reprise::Plan plan = fresh(request);
    check_plan(request, plan);
    CHECK(plan.lower_bound_cost <= plan.recomputed_cost);
    return plan;
  } catch (const reprise::BudgetInfeasible& refused) {
    CHECK(refused.budget_bytes() == request.budget);
    CHECK(refused.lower_bound_bytes() <= refused.smallest_budget());
    return std::nullopt;
  }
}

/// Holds a search with a fixed number of tries to what it promises on one program.
template <reprise::Planner P>
void check_search_on(const P& planner, reprise::PlanRequest request) {
  const std::optional<reprise::Plan> unlimited = plan_fresh(planner, request);
  REQUIRE(unlimited);
  request.budget = 0;
  reprise::byte_count smallest = 0;
  try {
    P fresh = planner;
    static_cast<void>(fresh(request));
    FAIL("a budget of no byte was accepted");
  } catch (const reprise::BudgetInfeasible& refused) {
    smallest = refused.smallest_budget();
  }
  const reprise::byte_count stride =
      std::max<reprise::byte_count>(1, (unlimited->peak_bytes - smallest) / 4);
  for (request.budget = smallest; request.budget <= unlimited->peak_bytes;
       request.budget += stride) {
    CAPTURE(request.budget);
    const std::optional<reprise::Plan> plan = plan_fresh(planner, request);
    REQUIRE(plan);
    CHECK(plan_fresh(planner, request)->schedule == plan->schedule);
    const std::optional<reprise::Plan> cut = plan_fresh(reprise::MinCut{}, request);
    if (cut) CHECK(plan->recomputed_cost <= cut->recomputed_cost);
  }
}

/// Holds a search to what it promises on programs of every kind.
template <reprise::Planner P>
void check_search(const P& planner) {
  check_overrides(planner);
  for (const std::size_t passes : {1U, 3U}) {
    for (const std::uint32_t layers : {1U, 2U, 5U, 11U}) {
      CAPTURE(layers);
      const reprise::Program program = chain_program(layers);
      check_search_on(planner, {.program = program, .passes_in_flight = passes});
    }
    for (std::uint32_t seed = 0; seed < 20; ++seed) {
      CAPTURE(seed);
      const reprise::Program program = random_program(seed);
      check_search_on(planner, {.program = program, .passes_in_flight = passes});
    }
  }
}

/// The median over small random programs of cost over the optimum, infinite where a plan exists and
/// none was found. No plan may be below the optimum, and no bound above it.
template <reprise::Planner P>
double median_over_optimum(const P& planner, std::mt19937_64& random, int programs) {
  std::vector<double> ratios;
  for (int i = 0; i < programs; ++i) {
    CAPTURE(i);
    const reprise::Program program =
        i % 3 == 0 ? random_formed_program(random) : random_recorded_program(random, 12);
    const reprise::staged::StagedProgram staged(program);
    const reprise::staged::StagedPlan all(staged, {});
    const auto anchor = static_cast<reprise::operation_id>(all.profile().highest());
    const auto peak = static_cast<reprise::byte_count>(all.profile()[anchor]);
    const reprise::byte_count least = reprise::lower_bound_bytes(program);
    for (const unsigned share : {1U, 2U, 3U}) {
      const reprise::byte_count budget = least + (peak - least) * share / 4;
      CAPTURE(budget);
      const double optimum = cheapest_recomputation(program, budget, anchor);
      const std::optional<reprise::Plan> plan =
          plan_fresh(planner, {.program = program, .budget = budget});
      if (plan) CHECK(plan->recomputed_cost >= optimum);
      if (plan) CHECK(plan->lower_bound_cost <= optimum * (1 + 1e-9));
      if (optimum == std::numeric_limits<double>::infinity()) continue;
      const double cost = plan ? plan->recomputed_cost : std::numeric_limits<double>::infinity();
      ratios.push_back(cost == optimum ? 1.0 : cost / optimum);
    }
  }
  const auto middle = ratios.begin() + static_cast<std::ptrdiff_t>(ratios.size() / 2);
  std::ranges::nth_element(ratios, middle);
  return *middle;
}

}  // namespace reprise_test
