// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// From a list of runs to a schedule.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// Operations in the order in which they run, some of them more than once.
using RunList = std::vector<operation_id>;

namespace run_list {

/// Walks over the runs from the last to the first and notes what each one leaves without a reader.
class Scheduler {
 public:
  Scheduler(const Program& program, std::span<const operation_id> runs,
            std::span<const value_id> kept)
      : program_(program), runs_(runs), is_needed_(program.values().size(), 0) {
    for (const value_id value : kept) is_needed_[value] = 1;
    for (const value_id value : program.results()) is_needed_[value] = 1;
    find_reruns();
  }

  [[nodiscard]] Schedule schedule() && {
    schedule_.actions.reserve(2 * runs_.size());
    for (std::size_t at = runs_.size(); at-- > 0;) add(at);
    std::ranges::reverse(schedule_.actions);
    return std::move(schedule_);
  }

 private:
  void find_reruns() {
    std::vector<std::uint8_t> has_run(program_.operations().size(), 0);
    is_rerun_.reserve(runs_.size());
    for (const operation_id op : runs_) {
      is_rerun_.push_back(has_run[op]);
      has_run[op] = 1;
    }
  }

  void add(std::size_t at) {
    const Operation& op = program_.operations()[runs_[at]];
    gone_.clear();
    bool makes_output = false;
    bool makes_saved = false;
    for (const value_id written : op.writes) {
      const bool is_output = program_.values()[written].kind == ValueKind::output;
      const bool is_needed = is_needed_[written] != 0;
      if (!is_needed && is_ours(written)) gone_.push_back(written);
      (is_output ? makes_output : makes_saved) |= is_needed;
      is_needed_[written] = 0;
    }
    const bool skips = is_rerun_[at] != 0 && op.can_skip_output && makes_saved && !makes_output;
    if (skips) {
      std::erase_if(gone_, [&](value_id value) {
        return program_.values()[value].kind == ValueKind::output;
      });
    }
    // What is taken over goes by itself.
    for (const value_id consumed : op.consumes) is_needed_[consumed] = 1;
    for (const value_id part : op.accumulates) {
      if (program_.maker(part) != runs_[at]) use(part);
    }
    for (const value_id read : op.reads) use(read);
    for (const value_id value : gone_) schedule_.actions.push_back(Action::drop(value));
    schedule_.actions.push_back(Action::run(runs_[at], skips));
  }

  void use(value_id value) {
    if (is_needed_[value] != 0 || !is_ours(value)) return;
    is_needed_[value] = 1;
    gone_.push_back(value);
  }

  [[nodiscard]] bool is_ours(value_id value) const {
    return !program_.is_given(value) && !program_.values()[value].stays;
  }

  const Program& program_;
  std::span<const operation_id> runs_;
  std::vector<std::uint8_t> is_needed_;  ///< later than the run at hand
  std::vector<std::uint8_t> is_rerun_;
  std::vector<value_id> gone_;
  Schedule schedule_;
};

}  // namespace run_list

/// The schedule of a list of runs: each value goes right after its last reader before it is made
/// anew, a by-product that nobody needs at once. Linear in the runs.
/// @param kept values that stay at the end, besides the program's results
[[nodiscard]] inline Schedule schedule_of_runs(const Program& program,
                                               std::span<const operation_id> runs,
                                               std::span<const value_id> kept = {}) {
  return run_list::Scheduler(program, runs, kept).schedule();
}

/// The runs without those that make nothing: reruns of what has no outputs, or only such as stay.
/// Linear in the runs.
[[nodiscard]] inline RunList without_idle_reruns(const Program& program, RunList runs) {
  std::vector<std::uint8_t> has_run(program.operations().size(), 0);
  std::erase_if(runs, [&](operation_id op) {
    return std::exchange(has_run[op], 1) != 0 &&
           std::ranges::all_of(program.operations()[op].writes,
                               [&](value_id v) { return program.values()[v].stays; });
  });
  return runs;
}

}  // namespace reprise::inline v0
