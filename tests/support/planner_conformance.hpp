// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <reprise/planner/layer_values.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/program/bounds.hpp>
#include <reprise/program/explain.hpp>
#include <reprise/program/simulate.hpp>
#include <utility>
#include <vector>

#include "support/chain_program.hpp"
#include "support/random_program.hpp"

namespace reprise_test {

/// True if the value is absent at some moment after it was made and before its last reader.
inline bool is_recomputed(const reprise::Program& program, const reprise::Schedule& schedule,
                          reprise::value_id value) {
  return reprise::explain(program, schedule, value).find("recomputed") != std::string::npos;
}

/// Holds a plan to the request it was made for.
inline void check_plan(const reprise::PlanRequest& request, const reprise::Plan& plan) {
  const reprise::Simulation played = reprise::simulate(request.program, plan.schedule);
  CHECK(plan.peak_bytes == reprise::peak_in_flight(played.peak_bytes, played.boundary_bytes,
                                                   request.passes_in_flight));
  CHECK(plan.boundary_bytes == played.boundary_bytes);
  CHECK(plan.recomputed_cost == played.recomputed_cost);
  CHECK(plan.peak_bytes <= request.budget);
  CHECK(plan.lower_bound_bytes == reprise::lower_bound_bytes(request.program));
  CHECK(plan.lower_bound_bytes <= plan.peak_bytes);
}

/// Holds a planner to the concept's semantics on one program.
template <reprise::Planner P>
void check_planner_on(const P& planner, reprise::PlanRequest request) {
  const auto plan_with = [&](reprise::byte_count budget) {
    P fresh = planner;
    request.budget = budget;
    reprise::Plan plan = fresh(request);
    check_plan(request, plan);
    return plan;
  };
  const reprise::Plan unlimited = plan_with(reprise::unlimited_bytes);
  CHECK(plan_with(reprise::unlimited_bytes).schedule == unlimited.schedule);
  CHECK(unlimited.dropped == 0);

  reprise::byte_count smallest = 0;
  try {
    static_cast<void>(plan_with(0));
    FAIL("a budget of no byte was accepted");
  } catch (const reprise::BudgetInfeasible& refused) {
    smallest = refused.smallest_budget();
    CHECK(refused.budget_bytes() == 0);
    CHECK(refused.lower_bound_bytes() <= smallest);
  }
  CHECK_THROWS_AS(static_cast<void>(plan_with(smallest - 1)), reprise::BudgetInfeasible);
  double cost = std::numeric_limits<double>::infinity();
  const reprise::byte_count stride =
      std::max<reprise::byte_count>(1, (unlimited.peak_bytes - smallest) / 16);
  for (reprise::byte_count budget = smallest; budget <= unlimited.peak_bytes; budget += stride) {
    CAPTURE(budget);
    const reprise::Plan plan = plan_with(budget);
    CHECK(plan.recomputed_cost <= cost);
    cost = plan.recomputed_cost;
  }
  CHECK(plan_with(unlimited.peak_bytes).schedule == unlimited.schedule);
}

/// A layer that must be saved is never run again; what one that must be recomputed saved is not
/// kept.
template <reprise::Planner P>
void check_overrides(P planner) {
  const reprise::Program program = chain_program(6);
  for (std::size_t layer = 0; layer < 6; ++layer) {
    CAPTURE(layer);
    std::vector<reprise::LayerOverride> overrides(6, reprise::LayerOverride::none);
    const auto saved = static_cast<reprise::value_id>(2 * layer + 2);
    overrides[layer] = reprise::LayerOverride::must_save;
    reprise::PlanRequest request{.program = program, .overrides = overrides};
    CHECK_FALSE(is_recomputed(program, planner(request).schedule, saved));
    overrides[layer] = reprise::LayerOverride::must_recompute;
    const reprise::Plan plan = planner(request);
    check_plan(request, plan);
    CHECK(is_recomputed(program, plan.schedule, saved));
  }
}

/// Holds a planner to the concept's semantics.
template <reprise::Planner P>
void check_planner(const P& planner) {
  check_overrides(planner);
  for (const std::size_t passes : {1U, 3U}) {
    for (std::uint32_t layers = 1; layers < 12; ++layers) {
      CAPTURE(layers);
      const reprise::Program program = chain_program(layers);
      check_planner_on(planner, {.program = program, .passes_in_flight = passes});
    }
    for (std::uint32_t seed = 0; seed < 100; ++seed) {
      CAPTURE(seed);
      const reprise::Program program = random_program(seed);
      std::mt19937 random(seed);
      std::vector<double> gradients(program.layer_count());
      for (double& g : gradients) {
        g = random() % 4 == 0 ? std::numeric_limits<double>::quiet_NaN()
                              : static_cast<double>(random() % 100);
      }
      check_planner_on(planner, {.program = program,
                                 .gradients = gradients,
                                 .passes_in_flight = passes,
                                 .recomputed_lifetime =
                                     seed % 2 == 0 ? reprise::RecomputedLifetime::until_last_read
                                                   : reprise::RecomputedLifetime::one_backward});
    }
  }
}

}  // namespace reprise_test
