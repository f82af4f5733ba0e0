// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "static_schedules.hpp"

#include <algorithm>
#include <cmath>
#include <reprise/planner/staged/staged_plan.hpp>
#include <reprise/planner/staged/staged_program.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <utility>
#include <vector>

namespace replay {
namespace {

using reprise::Action;
using reprise::ActionKind;
using reprise::operation_id;
using reprise::Program;
using reprise::SavedSet;
using reprise::Schedule;
using reprise::value_id;

/// The same program with a loss between forward and backward; the results stay at the end.
Program with_turn(const Program& program, std::size_t forward) {
  std::vector<reprise::Value> values(program.values().begin(), program.values().end());
  for (const value_id result : program.results()) values[result].stays = true;
  std::vector<reprise::Operation> operations(program.operations().begin(),
                                             program.operations().end());
  operations.insert(operations.begin() + static_cast<std::ptrdiff_t>(forward),
                    {.kind = reprise::OperationKind::loss});
  return {std::move(values), std::move(operations), static_cast<operation_id>(forward), 1,
          program.cost_is_flops()};
}

Schedule without_loss(const Schedule& schedule, operation_id loss) {
  Schedule result;
  for (Action action : schedule.actions) {
    const bool is_run = action.kind == ActionKind::run;
    if (is_run && action.index == loss) continue;
    if (is_run && action.index > loss) --action.index;
    result.actions.push_back(action);
  }
  return result;
}

/// What crosses a border between groups, and what the last group makes.
SavedSet kept_by_groups(const Program& program, std::size_t every) {
  const reprise::staged::StagedProgram staged(program);
  const std::size_t forward = program.loss();
  const std::size_t last_group = forward == 0 ? 0 : (forward - 1) / every;
  SavedSet storages(program.values().size(), 0);
  for (operation_id op = 0; op < forward; ++op) {
    for (const value_id read : staged.reads(op)) {
      if (staged.maker(read) / every != op / every) storages[staged.storage(read)] = 1;
    }
    for (const value_id written : staged.writes(op)) {
      const bool stays = program.values()[written].stays || op / every == last_group;
      if (stays) storages[staged.storage(written)] = 1;
    }
  }
  // The names of one storage stay together.
  SavedSet kept(storages.size(), 0);
  for (value_id value = 0; value < kept.size(); ++value)
    kept[value] = storages[staged.storage(value)];
  return kept;
}

}  // namespace

Schedule keep_everything(const Program& program) {
  Schedule schedule;
  for (operation_id op = 0; op < program.operations().size(); ++op) {
    schedule.actions.push_back(Action::run(op));
    for (const value_id value : program.operations()[op].releases) {
      schedule.actions.push_back(Action::drop(value));
    }
  }
  return schedule;
}

std::size_t forward_length(const Program& program) {
  const reprise::staged::StagedProgram staged(program);
  const reprise::staged::StagedPlan plan(staged, {});
  return std::min(plan.profile().highest() + 1, program.operations().size());
}

Schedule checkpoint_groups(const Program& program, std::size_t every) {
  const Program turned = with_turn(program, forward_length(program));
  return without_loss(schedule_from_saved(turned, kept_by_groups(turned, every)), turned.loss());
}

std::size_t square_root_group(const Program& program) {
  const double operations = static_cast<double>(forward_length(program));
  return static_cast<std::size_t>(std::max(std::lround(std::sqrt(operations)), 1L));
}

}  // namespace replay
