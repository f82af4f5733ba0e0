// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// From operations placed at stages to a schedule.

#include <reprise/planner/staged/staged_plan.hpp>
#include <reprise/program/schedule.hpp>
#include <reprise/program/schedule_of_runs.hpp>

namespace reprise::inline v0::staged {

/// The actions of a plan: in each stage its operations in order, each value dropped right after its
/// last use before it is recomputed. Linear in the plan.
[[nodiscard]] inline Schedule schedule_of(const StagedPlan& plan) {
  RunList runs;
  for (stage_id stage = 0; stage < plan.program().stage_count(); ++stage) {
    const auto operations = plan.operations(stage);
    runs.insert(runs.end(), operations.begin(), operations.end());
  }
  return schedule_of_runs(plan.program().program(), runs);
}

}  // namespace reprise::inline v0::staged
