// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// From operations placed at stages to a schedule.

#include <cstddef>
#include <reprise/planner/staged/staged_plan.hpp>
#include <reprise/program/schedule.hpp>
#include <vector>

namespace reprise::inline v0 {

/// The actions of a plan: in each stage its operations in order, each value dropped right after its
/// last use before it is made again. Linear in the plan.
[[nodiscard]] inline Schedule schedule_of(const StagedPlan& plan) {
  const StagedProgram& program = plan.program();
  Schedule schedule;
  std::vector<operation_id> last_touch(program.value_count(), 0);
  for (stage_id stage = 0; stage < program.stage_count(); ++stage) {
    for (const operation_id op : plan.operations(stage)) {
      for (const value_id read : program.reads(op)) last_touch[read] = op;
      for (const value_id written : program.writes(op)) last_touch[written] = op;
    }
    for (const operation_id op : plan.operations(stage)) {
      const auto run = static_cast<std::size_t>(plan.run_before(op, stage));
      const bool skips = plan.skips_output(op, run);
      schedule.actions.push_back(Action::run(op, skips));
      const auto drop_if_done = [&](value_id value) {
        if (last_touch[value] != op || program.consumes(op, value)) return;
        if (program.stays(value)) return;
        const operation_id maker = program.maker(value);
        const auto made = static_cast<std::size_t>(plan.run_before(maker, stage));
        const stage_id next = plan.next_making(value, made);
        if (plan.first_use(value, stage + 1, next) != StagedPlan::never) return;
        schedule.actions.push_back(Action::drop(value));
      };
      for (const value_id read : program.reads(op)) drop_if_done(read);
      for (const value_id written : program.writes(op)) {
        const bool is_output = program.program().values()[written].kind == ValueKind::output;
        if (!(skips && is_output)) drop_if_done(written);
      }
    }
  }
  return schedule;
}

}  // namespace reprise::inline v0
