// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A program with more stages than operations, so that any schedule is a plan by stages.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <reprise/planner/staged/placement.hpp>
#include <reprise/planner/staged/staged_program.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <set>
#include <utility>
#include <vector>

namespace reprise::inline v0::staged {

/// A program between whose operations there are further stages.
///
/// A stage that has no operation of its own is one of an operation that reads and makes nothing. An
/// operation may run once in each stage, so that several runs for one operation of the program take
/// several stages.
class FinerProgram {
 public:
  /// Linear in the program and the stages.
  /// @param program must outlive this
  /// @param stages for each further stage the operation before which it stands, or their number for
  ///   one after all of them; in order
  FinerProgram(const Program& program, std::vector<operation_id> stages)
      : stages_(std::move(stages)), finer_(with_stages(program)), staged_(finer_) {}
  FinerProgram(const FinerProgram&) = delete;
  FinerProgram& operator=(const FinerProgram&) = delete;

  /// What plans by stages are made of.
  [[nodiscard]] StagedProgram& program() noexcept { return staged_; }
  [[nodiscard]] const StagedProgram& program() const noexcept { return staged_; }
  /// As they were given.
  [[nodiscard]] const std::vector<operation_id>& stages() const noexcept { return stages_; }
  /// The number that an operation of the program has here.
  [[nodiscard]] operation_id number(operation_id op) const noexcept { return numbers_[op]; }

  /// The schedule of the program for one of the finer one. Linear in it.
  [[nodiscard]] Schedule schedule_of_program(const Schedule& finer) const {
    Schedule schedule;
    schedule.actions.reserve(finer.actions.size());
    for (Action action : finer.actions) {
      if (action.kind == ActionKind::run) {
        if (originals_[action.index] == Program::no_operation) continue;
        action.index = originals_[action.index];
      }
      schedule.actions.push_back(action);
    }
    return schedule;
  }

 private:
  [[nodiscard]] Program with_stages(const Program& program) {
    const auto count = static_cast<operation_id>(program.operations().size());
    std::vector<Operation> operations;
    operations.reserve(count + stages_.size());
    auto stage = stages_.begin();
    for (operation_id op = 0; op <= count; ++op) {
      for (; stage != stages_.end() && *stage == op; ++stage) {
        operations.push_back(empty_operation(program, op));
        originals_.push_back(Program::no_operation);
      }
      if (op == count) break;
      numbers_.push_back(static_cast<operation_id>(operations.size()));
      originals_.push_back(op);
      operations.push_back(program.operations()[op]);
    }
    const operation_id loss = program.has_loss() ? numbers_[program.loss()] : Program::no_operation;
    return {{program.values().begin(), program.values().end()},
            std::move(operations),
            loss,
            program.layer_count(),
            program.cost_is_flops(),
            {program.results().begin(), program.results().end()}};
  }
  [[nodiscard]] static Operation empty_operation(const Program& program, operation_id before) {
    const bool is_after_loss = program.has_loss() && before > program.loss();
    const operation_id last = before == 0 ? 0 : before - 1;
    return {.kind = is_after_loss ? OperationKind::backward : OperationKind::forward,
            .layer = program.operations().empty() ? 0 : program.operations()[last].layer};
  }

  std::vector<operation_id> stages_;
  std::vector<operation_id> numbers_;    ///< of the program's operations
  std::vector<operation_id> originals_;  ///< of those here; none for a further stage
  Program finer_;
  StagedProgram staged_;
};

/// Where the operations of a schedule run, by as few further stages as that takes.
struct FinerPlan {
  std::shared_ptr<FinerProgram> program;
  std::vector<Placement> placements;
};

/// Adds what `StagedPlan` asks for: what somebody takes over is made anew for each run that reads
/// it elsewhere than the program does.
inline void make_anew_what_is_taken_over(const StagedProgram& program,
                                         std::vector<Placement>& placements) {
  std::set<Placement> placed(placements.begin(), placements.end());
  for (std::size_t i = 0; i < placements.size(); ++i) {
    const Placement p = placements[i];
    if (p.op == p.stage) continue;
    for (const value_id read : program.reads(p.op)) {
      if (!program.is_taken_over(read)) continue;
      const Placement made{program.maker(read), p.stage};
      if (placed.insert(made).second) placements.push_back(made);
    }
  }
}

/// Any schedule of a program as a plan by stages, which needs no more bytes where no view outlives
/// its source and nothing is consumed. Runs of ever later operations share a stage, up to one of
/// which it is the own one; those that come before their turn make the ones that they leave behind
/// deferred. n log n.
/// @param program must outlive the result
[[nodiscard]] inline FinerPlan finer_plan(const Program& program, const Schedule& schedule) {
  const auto count = static_cast<operation_id>(program.operations().size());
  struct Run {
    operation_id op;
    std::size_t stage;
  };
  std::vector<Run> runs;
  std::vector<operation_id> stages;
  std::vector<std::size_t> own(count, 0);
  std::vector<std::uint8_t> is_deferred(count, 0);
  std::size_t stage = 0;
  operation_id next =
      0;  // All before it have a stage of their own, and all further ones have none.
  bool is_open = false;
  operation_id last = 0;
  const auto close = [&] {
    if (is_open) stages.push_back(next);
    stage += is_open ? 1 : 0;
    is_open = false;
  };
  for (const Action& action : schedule.actions) {
    if (action.kind != ActionKind::run) continue;
    const operation_id op = action.index;
    if (is_open && last >= op) close();
    if (op < next) {
      runs.push_back({op, stage});
      is_open = true;
      last = op;
      continue;
    }
    if (op > next) close();
    for (; next < op; ++next) {
      own[next] = stage++;
      is_deferred[next] = 1;
    }
    own[next++] = stage++;
    is_open = false;
  }
  close();
  for (; next < count; ++next) own[next] = stage++;
  FinerPlan plan{.program = std::make_shared<FinerProgram>(program, std::move(stages)),
                 .placements = {}};
  for (operation_id op = 0; op < count; ++op) {
    const auto number = static_cast<stage_id>(own[op]);
    if (is_deferred[op] != 0) plan.placements.push_back({number, number});
  }
  for (const Run& run : runs) {
    plan.placements.push_back(
        {static_cast<operation_id>(own[run.op]), static_cast<stage_id>(run.stage)});
  }
  make_anew_what_is_taken_over(plan.program->program(), plan.placements);
  std::ranges::sort(plan.placements);
  return plan;
}

}  // namespace reprise::inline v0::staged
