// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <reprise/core/error.hpp>
#include <reprise/planner/layer_values.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/program/bounds.hpp>
#include <reprise/program/explain.hpp>
#include <reprise/program/simulate.hpp>
#include <string>
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

/// What is wrong with a plan for the request that it was made for; empty if nothing is.
inline std::string fault_of_plan(const reprise::PlanRequest& request, const reprise::Plan& plan) {
  reprise::Simulation played;
  try {
    played = reprise::simulate(request.program, plan.schedule);
  } catch (const reprise::InvalidSchedule& refused) {
    return std::string("its schedule is not valid: ") + refused.what();
  }
  const reprise::byte_count peak =
      reprise::peak_in_flight(played.peak_bytes, played.boundary_bytes, request.passes_in_flight);
  if (plan.peak_bytes != peak) {
    return "it foretells a peak of " + std::to_string(plan.peak_bytes) + " bytes, it has " +
           std::to_string(peak);
  }
  if (plan.boundary_bytes != played.boundary_bytes) {
    return "it foretells " + std::to_string(plan.boundary_bytes) +
           " bytes between forward and backward, it has " + std::to_string(played.boundary_bytes);
  }
  if (plan.recomputed_cost != played.recomputed_cost) {
    return "it foretells to recompute " + std::to_string(plan.recomputed_cost) +
           ", it recomputes " + std::to_string(played.recomputed_cost);
  }
  if (plan.peak_bytes > request.budget) {
    return "it passes its budget of " + std::to_string(request.budget) + " bytes by " +
           std::to_string(plan.peak_bytes - request.budget);
  }
  const reprise::byte_count bound = reprise::lower_bound_bytes(request.program);
  if (plan.lower_bound_bytes != bound) {
    return "its lower bound is " + std::to_string(plan.lower_bound_bytes) +
           " bytes, that of the program is " + std::to_string(bound);
  }
  if (bound > plan.peak_bytes) return "its peak is below the lower bound of its program";
  return "";
}

/// Holds a plan to the request it was made for.
inline void check_plan(const reprise::PlanRequest& request, const reprise::Plan& plan) {
  const std::string fault = fault_of_plan(request, plan);
  CHECK_MESSAGE(fault.empty(), fault);
}

/// What a planner does wrong on one program, from no budget to any; empty if it keeps the concept's
/// semantics.
template <reprise::Planner P>
[[nodiscard]] std::string fault_of_planner_on(const P& planner, reprise::PlanRequest request) {
  std::string fault;
  const auto plan_with = [&](reprise::byte_count budget) {
    P fresh = planner;
    request.budget = budget;
    reprise::Plan plan = fresh(request);
    if (fault.empty()) fault = fault_of_plan(request, plan);
    return plan;
  };
  const auto is_refused = [&](reprise::byte_count budget) {
    try {
      static_cast<void>(plan_with(budget));
      return false;
    } catch (const reprise::BudgetInfeasible&) {
      return true;
    }
  };
  const reprise::Plan unlimited = plan_with(reprise::unlimited_bytes);
  if (plan_with(reprise::unlimited_bytes).schedule != unlimited.schedule) {
    return "asked twice, it plans otherwise";
  }
  if (!fault.empty()) return fault;
  if (unlimited.dropped != 0) return "it drops something although it may keep all";

  reprise::byte_count smallest = 0;
  try {
    static_cast<void>(plan_with(0));
    return fault.empty() ? "it accepts a budget of no byte" : fault;
  } catch (const reprise::BudgetInfeasible& refused) {
    smallest = refused.smallest_budget();
    if (refused.budget_bytes() != 0) return "it refuses another budget than it was given";
    if (refused.lower_bound_bytes() > smallest) return "its smallest budget is below the bound";
  }
  if (!is_refused(smallest - 1)) return "it meets less than the smallest budget that it names";
  const reprise::byte_count stride =
      std::max<reprise::byte_count>(1, (unlimited.peak_bytes - smallest) / 16);
  std::vector<reprise::byte_count> budgets;
  for (reprise::byte_count budget = smallest; budget <= unlimited.peak_bytes; budget += stride) {
    budgets.push_back(budget);
  }
  budgets.push_back(unlimited.peak_bytes + 1);
  double cost = std::numeric_limits<double>::infinity();
  for (const reprise::byte_count budget : budgets) {
    const std::string with = std::to_string(budget) + " bytes";
    reprise::Plan plan;
    try {
      plan = plan_with(budget);
    } catch (const reprise::BudgetInfeasible&) {
      if (budget == smallest) return "it does not meet the smallest budget that it names";
      return "it refuses " + with + ", and not its smallest budget of " + std::to_string(smallest);
    }
    if (!fault.empty()) return fault;
    if (plan.recomputed_cost > cost) return with + " cost more than a smaller budget";
    cost = plan.recomputed_cost;
  }
  if (plan_with(unlimited.peak_bytes).schedule != unlimited.schedule) {
    return "within the peak of its unlimited plan it plans otherwise";
  }
  return fault;
}

/// Holds a planner to the concept's semantics on one program.
template <reprise::Planner P>
void check_planner_on(const P& planner, reprise::PlanRequest request) {
  const std::string fault = fault_of_planner_on(planner, request);
  CHECK_MESSAGE(fault.empty(), fault);
}

/// What a planner makes wrong of overrides: a layer that must be saved is never run again; what one
/// that must be recomputed saved is not kept; and what no planner can be asked is refused.
template <reprise::Planner P>
[[nodiscard]] std::string fault_of_overrides(P planner) {
  constexpr std::uint32_t layers = 6;
  const reprise::Program program = chain_program(layers);
  for (std::size_t layer = 0; layer < layers; ++layer) {
    std::vector<reprise::LayerOverride> overrides(layers, reprise::LayerOverride::none);
    const auto saved = static_cast<reprise::value_id>(2 * layer + 2);
    const reprise::PlanRequest request{.program = program, .overrides = overrides};
    const std::string where = "layer " + std::to_string(layer);
    overrides[layer] = reprise::LayerOverride::must_save;
    const reprise::Plan saving = planner(request);
    if (std::string fault = fault_of_plan(request, saving); !fault.empty()) return fault;
    if (is_recomputed(program, saving.schedule, saved)) {
      return where + " must be saved and is recomputed";
    }
    overrides[layer] = reprise::LayerOverride::must_recompute;
    const reprise::Plan plan = planner(request);
    if (std::string fault = fault_of_plan(request, plan); !fault.empty()) return fault;
    if (!is_recomputed(program, plan.schedule, saved)) {
      return where + " must be recomputed and is saved";
    }
  }
  try {
    static_cast<void>(planner({.program = program, .passes_in_flight = 0}));
    return "it plans for no pass";
  } catch (const reprise::InvalidArgument&) {
    return "";
  }
}

/// Holds a planner to what overrides say.
template <reprise::Planner P>
void check_overrides(const P& planner) {
  const std::string fault = fault_of_overrides(planner);
  CHECK_MESSAGE(fault.empty(), fault);
}

/// What a planner does wrong; empty if it keeps the concept's semantics.
template <reprise::Planner P>
[[nodiscard]] std::string fault_of_planner(const P& planner) {
  if (std::string fault = fault_of_overrides(planner); !fault.empty()) return fault;
  for (const std::size_t passes : {1U, 3U}) {
    const std::string with = " (" + std::to_string(passes) + " passes in flight, ";
    for (std::uint32_t layers = 1; layers < 12; ++layers) {
      const reprise::Program program = chain_program(layers);
      const std::string fault =
          fault_of_planner_on(planner, {.program = program, .passes_in_flight = passes});
      if (!fault.empty()) return fault + with + std::to_string(layers) + " layers)";
    }
    for (std::uint32_t seed = 0; seed < 100; ++seed) {
      const reprise::Program program = random_program(seed);
      std::mt19937 random(seed);
      std::vector<double> gradients(program.layer_count());
      for (double& g : gradients) {
        g = random() % 4 == 0 ? std::numeric_limits<double>::quiet_NaN()
                              : static_cast<double>(random() % 100);
      }
      const std::string fault = fault_of_planner_on(
          planner,
          {.program = program,
           .gradients = gradients,
           .passes_in_flight = passes,
           .recomputed_lifetime = seed % 2 == 0 ? reprise::RecomputedLifetime::until_last_read
                                                : reprise::RecomputedLifetime::one_backward});
      if (!fault.empty()) return fault + with + "seed " + std::to_string(seed) + ")";
    }
  }
  return "";
}

/// Holds a planner to the concept's semantics: a new one is a header and a line with this.
template <reprise::Planner P>
void check_planner(const P& planner) {
  const std::string fault = fault_of_planner(planner);
  CHECK_MESSAGE(fault.empty(), fault);
}

}  // namespace reprise_test
