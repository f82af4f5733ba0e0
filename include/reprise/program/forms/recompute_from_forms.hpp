// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Recomputation that starts from what was kept in another form.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/program/ledger.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <reprise/program/simulate.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

namespace forming {

/// Replaces reruns by restoring what they make from its exact form, and leaves out what nobody
/// reads then.
class RecomputeFromForms {
 public:
  RecomputeFromForms(const Program& program, const Schedule& schedule)
      : program_(program), restorer_of_(program.values().size(), Program::no_operation) {
    for (operation_id op = 0; op < program.operations().size(); ++op) {
      const Operation& o = program.operations()[op];
      if (o.kind != OperationKind::decode && o.kind != OperationKind::fetch) continue;
      const Value& restored = program.values()[o.writes.front()];
      if (restored.is_approximate) continue;
      operation_id& restorer = restorer_of_[*restored.form_of];
      const bool is_first = restorer == Program::no_operation;
      if (is_first || o.cost < program.operations()[restorer].cost) restorer = op;
    }
    follow(schedule);
  }

  /// @param is_worth whether a rerun is to be replaced by what would restore what it makes
  template <class F>
  [[nodiscard]] Schedule replace(F&& is_worth) const {
    std::vector<Step> steps = steps_;
    for (Step& step : steps) {
      const std::optional<operation_id> restorer = restorer_for(step);
      if (!restorer || !is_worth(step.action.index, *restorer)) continue;
      const value_id original =
          *program_.values()[program_.operations()[*restorer].writes.front()].form_of;
      step = {.action = Action::restore(*restorer), .is_rerun = true, .made = {original}};
    }
    leave_out_what_is_unread(steps);
    return without_empty_drops(steps);
  }

 private:
  struct Step {
    Action action{};
    bool is_rerun = false;
    std::vector<value_id> made{};   ///< that was absent
    std::vector<value_id> used{};   ///< of it: read before it goes
    std::vector<value_id> forms{};  ///< present forms of what is used
    bool is_left_out = false;
  };

  void follow(const Schedule& schedule) {
    Ledger ledger(program_);
    for (const Action& action : schedule.actions) {
      Step step{.action = action};
      if (action.runs()) {
        step.is_rerun = ledger.has_run(action.index);
        for (const value_id made : made_by(program_, action)) {
          const bool is_skipped =
              action.skips_output && program_.values()[made].kind == ValueKind::output;
          if (!ledger.is_present(made) && !is_skipped) step.made.push_back(made);
        }
        if (step.is_rerun) note_forms(ledger, step);
      }
      ledger.apply(action);
      steps_.push_back(std::move(step));
    }
    note_uses();
  }

  void note_forms(const Ledger& ledger, Step& step) const {
    for (const value_id made : step.made) {
      const operation_id restorer = restorer_of_[made];
      if (restorer == Program::no_operation) continue;
      const value_id form = program_.operations()[restorer].reads.front();
      if (ledger.is_present(form)) step.forms.push_back(made);
    }
  }

  // Backwards: whether each value is read before it is dropped or made again.
  void note_uses() {
    std::vector<std::uint8_t> is_read = read_at_the_end();
    for (std::size_t i = steps_.size(); i-- > 0;) {
      Step& step = steps_[i];
      for (const value_id made : step.made) {
        if (is_read[made] != 0) step.used.push_back(made);
        is_read[made] = 0;
      }
      mark_reads(step.action, is_read);
    }
  }

  [[nodiscard]] std::vector<std::uint8_t> read_at_the_end() const {
    std::vector<std::uint8_t> is_read(program_.values().size(), 0);
    for (const value_id result : program_.results()) is_read[result] = 1;
    for (value_id v = 0; v < is_read.size(); ++v) {
      if (program_.values()[v].stays) is_read[v] = 1;
    }
    return is_read;
  }

  void mark_reads(const Action& action, std::vector<std::uint8_t>& is_read) const {
    if (!action.runs()) return;
    const Operation& op = program_.operations()[action.index];
    for (const value_id read : op.reads) is_read[read] = 1;
    for (const value_id part : op.accumulates) is_read[part] = 1;
  }

  // Where all that is used of what a rerun makes is one value that has a form.
  [[nodiscard]] std::optional<operation_id> restorer_for(const Step& step) const {
    if (step.action.kind != ActionKind::run || !step.is_rerun || step.used.size() != 1) {
      return std::nullopt;
    }
    const Operation& op = program_.operations()[step.action.index];
    if (op.kind != OperationKind::forward || !op.consumes.empty()) return std::nullopt;
    const value_id value = step.used.front();
    if (std::ranges::find(step.forms, value) == step.forms.end()) return std::nullopt;
    return restorer_of_[value];
  }

  void leave_out_what_is_unread(std::vector<Step>& steps) const {
    std::vector<std::uint8_t> is_read = read_at_the_end();
    for (std::size_t i = steps.size(); i-- > 0;) {
      Step& step = steps[i];
      const bool is_used =
          std::ranges::any_of(step.made, [&](value_id made) { return is_read[made] != 0; });
      for (const value_id made : step.made) is_read[made] = 0;
      step.is_left_out = step.action.runs() && step.is_rerun && !is_used &&
                         program_.operations()[step.action.index].consumes.empty();
      if (!step.is_left_out) mark_reads(step.action, is_read);
    }
  }

  [[nodiscard]] Schedule without_empty_drops(const std::vector<Step>& steps) const {
    Ledger ledger(program_);
    Schedule schedule;
    for (const Step& step : steps) {
      const bool is_empty =
          step.action.kind == ActionKind::drop && !ledger.is_present(step.action.index);
      if (step.is_left_out || is_empty) continue;
      ledger.apply(step.action);
      schedule.actions.push_back(step.action);
    }
    return schedule;
  }

  const Program& program_;
  std::vector<operation_id> restorer_of_;  ///< of each value: the cheapest exact one
  std::vector<Step> steps_;
};

}  // namespace forming

/// Lets recomputation start from what is kept in an exact form: where a rerun makes one value that
/// somebody reads, and a form of it is there, the value is restored instead, and what was rerun for
/// it alone is left out.
///
/// Linear in program and schedule. Runs before `overlap_transfers`: copies that this adds are not
/// put beside computing.
/// @param budget of the device for one pass; below the schedule's own peak: that
/// @return a schedule that recomputes for less within the budget, or the one that was given
/// @throws InvalidSchedule as `simulate`
[[nodiscard]] inline Schedule recompute_from_forms(const Program& program, const Schedule& schedule,
                                                   byte_count budget = unlimited_bytes) {
  if (!program.has_forms()) return schedule;
  const Simulation before = simulate(program, schedule);
  if (before.recomputed_cost == 0) return schedule;
  const forming::RecomputeFromForms recompute(program, schedule);
  const auto cost = [&](operation_id op) { return program.operations()[op].cost; };
  Schedule best = schedule;
  double least = before.recomputed_cost;
  for (const bool whatever_it_costs : {false, true}) {
    Schedule candidate = recompute.replace([&](operation_id rerun, operation_id restorer) {
      return whatever_it_costs || cost(restorer) <= cost(rerun);
    });
    const Simulation played = simulate(program, candidate);
    const bool fits = played.peak_bytes <= std::max(budget, before.peak_bytes) &&
                      played.boundary_bytes <= before.boundary_bytes;
    if (!fits || played.recomputed_cost >= least) continue;
    least = played.recomputed_cost;
    best = std::move(candidate);
  }
  return best;
}

}  // namespace reprise::inline v0
