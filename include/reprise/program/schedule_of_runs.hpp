// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// From a list of runs to a schedule.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// Operations in the order in which they run, some of them more than once.
using RunList = std::vector<operation_id>;

/// A value that is there when a run of its maker makes it once more: that run makes a copy, which
/// goes at once, or skips it.
struct ListedCopy {
  std::size_t run;  ///< place in the list of runs
  value_id value;   ///< what it makes a copy of

  /// Compares both.
  friend bool operator==(const ListedCopy&, const ListedCopy&) = default;
};

namespace listed_runs {

/// Walks over the runs from the last to the first and notes what each one leaves without a reader.
class Scheduler {
 public:
  Scheduler(const Program& program, std::span<const operation_id> runs,
            std::span<const value_id> kept, std::span<const ListedCopy> copies)
      : program_(program), runs_(runs), copies_(copies), is_needed_(program.values().size(), 0) {
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
    const std::span<const ListedCopy> copies = take_copies(at);
    bool makes_output = false;
    bool makes_saved = false;
    for (const value_id written : op.writes) {
      const bool is_output = program_.values()[written].kind == ValueKind::output;
      const bool is_needed = is_needed_[written] != 0;
      if (!is_needed && is_ours(written)) gone_.push_back(written);
      if (is_there(written, is_rerun_[at] != 0, copies)) continue;
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
    std::ranges::sort(gone_, std::ranges::greater{});  // here all is backward
    for (const value_id value : gone_) schedule_.actions.push_back(Action::drop(value));
    schedule_.actions.push_back(Action::run(runs_[at], skips));
  }

  // They stand in the order of the runs.
  [[nodiscard]] std::span<const ListedCopy> take_copies(std::size_t run) {
    std::size_t count = 0;
    while (count < copies_.size() && copies_[copies_.size() - count - 1].run == run) ++count;
    const std::span<const ListedCopy> taken = copies_.last(count);
    copies_ = copies_.first(copies_.size() - count);
    return taken;
  }

  [[nodiscard]] bool is_there(value_id written, bool is_rerun,
                              std::span<const ListedCopy> copies) const {
    return (is_rerun && program_.values()[written].stays) ||
           std::ranges::find(copies, written, &ListedCopy::value) != copies.end();
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
  std::span<const ListedCopy> copies_;
  std::vector<std::uint8_t> is_needed_;  ///< later than the run at hand
  std::vector<std::uint8_t> is_rerun_;
  std::vector<value_id> gone_;
  Schedule schedule_;
};

}  // namespace listed_runs

/// The schedule of a list of runs: each value goes right after its last reader before it is made
/// anew, a by-product that nobody needs at once, those of one run in the order of their numbers. A
/// rerun whose outputs nobody needs skips them where it can. Linear in the runs.
/// @param kept   values that stay at the end, besides the program's results
/// @param copies in the order of the runs: what some of them make although it is there; without
///   them a value goes before each run that makes it, in time for that run
[[nodiscard]] inline Schedule schedule_of_runs(const Program& program,
                                               std::span<const operation_id> runs,
                                               std::span<const value_id> kept = {},
                                               std::span<const ListedCopy> copies = {}) {
  return listed_runs::Scheduler(program, runs, kept, copies).schedule();
}

}  // namespace reprise::inline v0
