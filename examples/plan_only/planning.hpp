// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Planners by name.

#include <algorithm>
#include <array>
#include <reprise/core/unknown_name.hpp>
#include <reprise/planner/plan_for_slab.hpp>
#include <reprise/planner/planner_by_name.hpp>
#include <string_view>

namespace plan_only {

/// Planners of any program. Searches try a fixed number of times, so that plans repeat.
inline constexpr auto planner_names =
    std::to_array<std::string_view>({"store-all", "min-cut", "search", "balanced"});

/// A plan of a planner that has a name, and where in the slab its values lie.
/// @throws reprise::UnknownName if there is no such planner
/// @throws reprise::BudgetInfeasible if none of its plans fits
[[nodiscard]] inline reprise::SlabPlan plan_slab(std::string_view planner,
                                                 const reprise::Program& program,
                                                 reprise::byte_count slab_bytes) {
  if (std::ranges::find(planner_names, planner) == planner_names.end()) {
    throw reprise::UnknownName("policy", planner, planner_names, "--policy");
  }
  const reprise::PlannerOptions options{.tries = planner == "search" ? 20'000U : 2'000U};
  return reprise::plan_for_slab(program, slab_bytes,
                                reprise::planner_by_name(planner, options_for(planner, options)));
}

}  // namespace plan_only
