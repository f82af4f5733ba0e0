// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A planner's plans where budgets are loose and tight.

#include <doctest/doctest.h>

#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/planner/planner.hpp>

namespace reprise_test {

/// Calls `check` with a plan for no budget, for the planner's smallest one and for half way
/// between; with one alone if it meets every budget.
template <class P, class Check>
void with_plans_at_budgets(const P& planner, reprise::PlanRequest request, Check&& check) {
  const auto plan_with = [&](reprise::byte_count budget) {
    P fresh = planner;
    request.budget = budget;
    const reprise::Plan plan = fresh(request);
    CAPTURE(budget);
    check(plan);
    return plan.peak_bytes;
  };
  const reprise::byte_count most = plan_with(reprise::unlimited_bytes);
  try {
    static_cast<void>(plan_with(0));
  } catch (const reprise::BudgetInfeasible& refused) {
    static_cast<void>(plan_with(refused.smallest_budget()));
    static_cast<void>(plan_with((refused.smallest_budget() + most) / 2));
  }
}

}  // namespace reprise_test
