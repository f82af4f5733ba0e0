// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Plans whose slab fits a budget.

#include <reprise/core/error.hpp>
#include <reprise/planner/balanced.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/program/layout.hpp>
#include <string_view>
#include <utility>

namespace plan_only {

/// A plan, and where in a slab its values lie.
struct LaidPlan {
  reprise::Plan plan;
  reprise::ArenaLayout layout;
};

/// A plan of a planner that has a name. Searches try a fixed number of times, so that plans repeat.
/// @throws reprise::InvalidArgument if there is no such planner
[[nodiscard]] inline reprise::Plan plan_by(std::string_view planner,
                                           const reprise::PlanRequest& request) {
  if (planner == "store-all") return reprise::StoreAll{}(request);
  if (planner == "min-cut") return reprise::MinCut{}(request);
  if (planner == "search") return reprise::LocalSearch{{.tries = 20'000}}(request);
  if (planner == "balanced") return reprise::Balanced{{.tries = 2'000}}(request);
  throw reprise::InvalidArgument("--policy: there is no policy '" + std::string(planner) +
                                 "'; choose store-all, min-cut, search or balanced");
}

/// Plans, and plans anew for less while the slab is over the budget, as offsets may leave gaps.
/// @throws reprise::BudgetInfeasible if the planner cannot meet the budget
[[nodiscard]] inline LaidPlan plan_slab(std::string_view planner, const reprise::Program& program,
                                        reprise::byte_count budget) {
  for (reprise::byte_count allowed = budget;;) {
    reprise::Plan plan = plan_by(planner, {.program = program, .budget = allowed});
    reprise::ArenaLayout layout = reprise::layout(program, plan.schedule, {.tries = 100});
    if (layout.high_water <= budget) return {std::move(plan), std::move(layout)};
    allowed = plan.peak_bytes - 1;
  }
}

}  // namespace plan_only
