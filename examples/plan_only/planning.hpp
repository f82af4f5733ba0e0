// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Plans whose slab fits a budget.

#include <algorithm>
#include <array>
#include <reprise/core/unknown_name.hpp>
#include <reprise/planner/planner_by_name.hpp>
#include <reprise/program/layout.hpp>
#include <string_view>
#include <utility>

namespace plan_only {

/// A plan, and where in a slab its values lie.
struct LaidPlan {
  reprise::Plan plan;
  reprise::ArenaLayout layout;
};

/// Planners of any program. Searches try a fixed number of times, so that plans repeat.
inline constexpr auto planner_names =
    std::to_array<std::string_view>({"store-all", "min-cut", "search", "balanced"});

/// A plan of a planner that has a name.
/// @throws reprise::UnknownName if there is no such planner
[[nodiscard]] inline reprise::Plan plan_by(std::string_view planner,
                                           const reprise::PlanRequest& request) {
  if (std::ranges::find(planner_names, planner) == planner_names.end()) {
    throw reprise::UnknownName("policy", planner, planner_names, "--policy");
  }
  const reprise::PlannerOptions options{.tries = planner == "search" ? 20'000U : 2'000U};
  return reprise::planner_by_name(planner, options_for(planner, options))(request);
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
