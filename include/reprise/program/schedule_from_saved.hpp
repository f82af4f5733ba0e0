// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// From a set of values that survive the forward pass to a schedule.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <reprise/core/error.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/repeatability.hpp>
#include <reprise/program/schedule.hpp>
#include <span>
#include <string>
#include <vector>

namespace reprise::inline v0 {

/// The values that survive the forward pass: one flag for each value of a program.
using SavedSet = std::vector<std::uint8_t>;

/// How long recomputed values stay.
enum class RecomputedLifetime : std::uint8_t {
  until_last_read,  ///< to their last reader: an operation runs at most twice
  one_backward,     ///< to the end of the backward they were recomputed for: less memory, more
                    ///< recomputation
};

namespace saving {

/// Builds the list of runs, and for each run what goes right after it.
class Scheduler {
 public:
  Scheduler(const Program& program, const SavedSet& kept, RecomputedLifetime lifetime)
      : program_(program),
        kept_(kept),
        lifetime_(lifetime),
        repeatability_(program),
        last_use_(program.values().size(), absent),
        has_run_(program.operations().size(), 0) {}

  [[nodiscard]] Schedule schedule() {
    for (operation_id op = 0; op <= program_.loss(); ++op) run(op);
    forget_what_is_not_kept();
    for (operation_id op = program_.loss() + 1; op < program_.operations().size(); ++op) {
      for (const value_id read : program_.operations()[op].reads) demand(read);
      run(op);
      if (lifetime_ == RecomputedLifetime::one_backward) forget_recomputed();
    }
    for (const value_id result : program_.results()) demand(result);
    for (const value_id result : program_.results()) last_use_[result] = absent;
    for (value_id v = 0; v < program_.values().size(); ++v) close(v);
    return emit();
  }

 private:
  static constexpr std::uint32_t absent = std::numeric_limits<std::uint32_t>::max();

  struct Run {
    operation_id op;
    bool is_rerun;
    std::size_t opened_begin;  ///< in `opened_`: what it makes that was absent
  };
  struct DropAt {
    std::uint32_t run;
    value_id value;
  };
  struct Frame {
    operation_id op;
    std::size_t next_read;
  };

  [[nodiscard]] bool is_present(value_id value) const {
    return program_.is_given(value) || last_use_[value] != absent;
  }

  void demand(value_id value) {
    if (is_present(value)) return;
    stack_.push_back({.op = program_.maker(value), .next_read = 0});
    while (!stack_.empty()) {
      Frame& frame = stack_.back();
      const std::vector<value_id>& reads = program_.operations()[frame.op].reads;
      if (frame.next_read == reads.size()) {
        const operation_id op = frame.op;
        stack_.pop_back();
        run(op);
        continue;
      }
      const value_id read = reads[frame.next_read++];
      if (!is_present(read)) stack_.push_back({.op = program_.maker(read), .next_read = 0});
    }
  }

  void run(operation_id op) {
    const Operation& o = program_.operations()[op];
    const auto at = static_cast<std::uint32_t>(runs_.size());
    runs_.push_back({.op = op, .is_rerun = has_run_[op] != 0, .opened_begin = opened_.size()});
    has_run_[op] = 1;
    for (const value_id read : o.reads) touch(read, at);
    for (const value_id written : o.writes) {
      if (is_present(written)) continue;
      last_use_[written] = at;
      opened_.push_back(written);
      if (runs_.back().is_rerun) recomputed_.push_back(written);
    }
    for (const value_id part : o.accumulates) touch(part, at);
    for (const value_id consumed : o.consumes) last_use_[consumed] = absent;
  }

  void touch(value_id value, std::uint32_t at) {
    if (program_.is_given(value)) return;
    last_use_[value] = at;
  }

  void close(value_id value) {
    if (last_use_[value] == absent || program_.values()[value].stays) return;
    drops_.push_back({.run = last_use_[value], .value = value});
    last_use_[value] = absent;
  }

  void forget_what_is_not_kept() {
    for (value_id v = 0; v < program_.values().size(); ++v) {
      if (kept_[v] == 0 && last_use_[v] != absent && can_be_recomputed(v)) close(v);
    }
  }

  [[nodiscard]] bool can_be_recomputed(value_id value) const {
    return program_.values()[value].kind != ValueKind::gradient &&
           repeatability_.may_run_again(program_.maker(value));
  }

  void forget_recomputed() {
    for (const value_id v : recomputed_) close(v);
    recomputed_.clear();
  }

  [[nodiscard]] Schedule emit() {
    std::vector<std::uint32_t> first(runs_.size() + 1, 0);
    for (const DropAt& drop : drops_) ++first[drop.run + 1];
    for (std::size_t r = 0; r < runs_.size(); ++r) first[r + 1] += first[r];
    std::vector<value_id> ordered(drops_.size());
    std::vector<std::uint32_t> next(first.begin(), first.end() - 1);
    for (const DropAt& drop : drops_) ordered[next[drop.run]++] = drop.value;
    Schedule schedule;
    schedule.actions.reserve(runs_.size() + drops_.size());
    is_live_.assign(program_.values().size(), 0);
    for (std::size_t r = 0; r < runs_.size(); ++r) {
      const std::size_t opened_end =
          r + 1 < runs_.size() ? runs_[r + 1].opened_begin : opened_.size();
      gone_.assign(ordered.begin() + first[r], ordered.begin() + first[r + 1]);
      const std::span<const value_id> opened(opened_.data() + runs_[r].opened_begin,
                                             opened_.data() + opened_end);
      note_by_products(runs_[r], opened);
      emit_run(schedule, runs_[r], opened);
    }
    return schedule;
  }

  // What a rerun makes again although its last reader has gone is of no use to anybody.
  void note_by_products(const Run& run, std::span<const value_id> opened) {
    const Operation& op = program_.operations()[run.op];
    for (const value_id value : opened) is_live_[value] = 1;
    for (const value_id written : op.writes) {
      if (is_live_[written] == 0) gone_.push_back(written);
    }
    for (const value_id consumed : op.consumes) is_live_[consumed] = 0;
    for (const value_id value : gone_) is_live_[value] = 0;
  }

  // Outputs of a rerun that go at once were read by nobody, and those that are present already are
  // copies: a node that can skip them does.
  void emit_run(Schedule& schedule, const Run& run, std::span<const value_id> opened) const {
    const Operation& op = program_.operations()[run.op];
    const bool skips = run.is_rerun && op.can_skip_output && is_for_saved_alone(opened);
    schedule.actions.push_back(Action::run(run.op, skips));
    for (const value_id value : gone_) {
      if (!(skips && is_output_of(run.op, value))) schedule.actions.push_back(Action::drop(value));
    }
  }

  [[nodiscard]] bool is_output_of(operation_id op, value_id value) const {
    return program_.values()[value].kind == ValueKind::output && program_.maker(value) == op;
  }

  // Of what was absent and does not go at once.
  [[nodiscard]] bool is_for_saved_alone(std::span<const value_id> opened) const {
    std::vector<value_id> gone = gone_;
    std::ranges::sort(gone);
    bool makes_saved = false;
    for (const value_id value : opened) {
      if (std::ranges::binary_search(gone, value)) continue;
      if (program_.values()[value].kind == ValueKind::output) return false;
      makes_saved = true;
    }
    return makes_saved;
  }

  const Program& program_;
  const SavedSet& kept_;
  RecomputedLifetime lifetime_;
  Repeatability repeatability_;
  std::vector<std::uint32_t> last_use_;
  std::vector<std::uint8_t> has_run_;
  std::vector<Run> runs_;
  std::vector<DropAt> drops_;
  std::vector<Frame> stack_;
  std::vector<value_id> recomputed_;
  std::vector<value_id> opened_;
  std::vector<value_id> gone_;
  std::vector<std::uint8_t> is_live_;
};

}  // namespace saving

/// The schedule in which exactly the kept values (and gradients) survive the forward pass and every
/// other one is recomputed when backward first needs it.
///
/// Deterministic on any DAG. A value goes right after its last reader, a by-product that nobody
/// needs at once. Iterative, so that depth is no limit; linear in the program for
/// `RecomputedLifetime::until_last_read`. Gradients, values that stay and what cannot be recomputed
/// are always kept and values that are consumed cannot be, whatever the set says.
/// @throws InvalidArgument if the set has another size than the program has values, or the program
///   has no loss operation.
[[nodiscard]] inline Schedule schedule_from_saved(
    const Program& program, const SavedSet& kept,
    RecomputedLifetime lifetime = RecomputedLifetime::until_last_read) {
  if (kept.size() != program.values().size()) {
    throw InvalidArgument("a saved set of " + std::to_string(kept.size()) +
                          " flags for a program of " + std::to_string(program.values().size()) +
                          " values");
  }
  if (!program.has_loss()) {
    throw InvalidArgument("a program without a loss operation has no forward pass for " +
                          std::to_string(kept.size()) + " values to survive");
  }
  return saving::Scheduler(program, kept, lifetime).schedule();
}

}  // namespace reprise::inline v0
