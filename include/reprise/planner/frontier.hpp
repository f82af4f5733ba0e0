// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a planner gives for a row of budgets.

#include <cstddef>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/planner/planner.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// The plans of a row of growing budgets, none where a budget is not met. A plan that a smaller
/// budget found is taken where the planner itself does no better, so that more memory never costs
/// more: of a search or an online policy too.
/// @param request its budget is not looked at
/// @throws InvalidArgument if the budgets fall; and what the planner throws but BudgetInfeasible
template <Planner P>
[[nodiscard]] std::vector<std::optional<Plan>> frontier(P& planner, PlanRequest request,
                                                        std::span<const byte_count> budgets) {
  std::vector<std::optional<Plan>> plans;
  for (std::size_t i = 0; i < budgets.size(); ++i) {
    if (i > 0 && budgets[i] < budgets[i - 1]) {
      throw InvalidArgument("budget " + std::to_string(i) + " of a frontier is " +
                            std::to_string(budgets[i]) + ", below the one before it, " +
                            std::to_string(budgets[i - 1]));
    }
    request.budget = budgets[i];
    std::optional<Plan> plan;
    try {
      plan = planner(request);
    } catch (const BudgetInfeasible&) {
    }
    const bool had_one = i > 0 && plans.back().has_value();
    if (had_one && (!plan || plans.back()->recomputed_cost <= plan->recomputed_cost)) {
      // What was proven of a smaller budget does not hold of this one.
      const double lower_bound_cost = plan ? plan->lower_bound_cost : 0;
      plan = plans.back();
      plan->lower_bound_cost = lower_bound_cost;
    }
    plans.push_back(std::move(plan));
  }
  return plans;
}

}  // namespace reprise::inline v0
