// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// From operations placed at stages to a schedule.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <reprise/planner/staged/staged_plan.hpp>
#include <reprise/program/schedule.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0::staged {

/// The actions of a plan: in each stage its operations in order, each value dropped right after its
/// last use before it is recomputed. Linear in the plan.
[[nodiscard]] inline Schedule schedule_of(const StagedPlan& plan) {
  const StagedProgram& program = plan.program();
  Schedule schedule;
  // From the last action to the first: then what is needed later is known.
  std::vector<std::uint8_t> is_needed(program.value_count(), 0);
  for (value_id v = 0; v < program.value_count(); ++v) {
    is_needed[v] = program.is_needed_at_end(v) || program.stays(v) ? 1 : 0;
  }
  std::vector<stage_id> touched(program.value_count(), StagedPlan::never);
  for (stage_id stage = program.stage_count(); stage-- > 0;) {
    const std::span<const operation_id> operations = plan.operations(stage);
    for (std::size_t i = operations.size(); i-- > 0;) {
      const operation_id op = operations[i];
      const auto run = static_cast<std::size_t>(plan.run_before(op, stage));
      const bool skips = plan.skips_output(op, run);
      const auto drop_if_done = [&](value_id value) {
        if (std::exchange(touched[value], stage) == stage || is_needed[value] != 0) return;
        if (!program.consumes(op, value)) schedule.actions.push_back(Action::drop(value));
      };
      const std::span<const value_id> writes = program.writes(op);
      for (std::size_t w = writes.size(); w-- > 0;) {
        const value_id written = writes[w];
        const bool is_output = program.program().values()[written].kind == ValueKind::output;
        if (!(skips && is_output)) drop_if_done(written);
        if (!program.stays(written)) is_needed[written] = 0;
      }
      const std::span<const value_id> reads = program.reads(op);
      for (std::size_t r = reads.size(); r-- > 0;) {
        drop_if_done(reads[r]);
        is_needed[reads[r]] = 1;
      }
      schedule.actions.push_back(Action::run(op, skips));
    }
  }
  std::ranges::reverse(schedule.actions);
  return schedule;
}

}  // namespace reprise::inline v0::staged
