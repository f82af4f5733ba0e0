// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// From a set of values that survive the forward pass to a schedule.

#include <cstddef>
#include <cstdint>
#include <reprise/core/error.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/repeatability.hpp>
#include <reprise/program/schedule.hpp>
#include <reprise/program/schedule_of_runs.hpp>
#include <string>
#include <utility>
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

/// Finds the runs that a set of saved values asks for, and what they make although it is there.
class Recomputation {
 public:
  Recomputation(const Program& program, const SavedSet& kept, RecomputedLifetime lifetime)
      : program_(program),
        kept_(kept),
        lifetime_(lifetime),
        repeatability_(program),
        is_present_(program.values().size(), 0),
        has_run_(program.operations().size(), 0) {
    for (value_id v = 0; v < is_present_.size(); ++v) is_present_[v] = program.is_given(v) ? 1 : 0;
  }

  [[nodiscard]] Schedule schedule() {
    for (operation_id op = 0; op <= program_.loss(); ++op) run(op);
    forget_what_is_not_kept();
    for (operation_id op = program_.loss() + 1; op < program_.operations().size(); ++op) {
      for (const value_id read : program_.operations()[op].reads) demand(read);
      run(op);
      if (lifetime_ == RecomputedLifetime::one_backward) forget_recomputed();
    }
    for (const value_id result : program_.results()) demand(result);
    return schedule_of_runs(program_, runs_, {}, copies_);
  }

 private:
  struct Frame {
    operation_id op;
    std::size_t next_read;
  };

  void demand(value_id value) {
    if (is_present_[value] != 0) return;
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
      if (is_present_[read] == 0) stack_.push_back({.op = program_.maker(read), .next_read = 0});
    }
  }

  void run(operation_id op) {
    const bool is_rerun = std::exchange(has_run_[op], 1) != 0;
    for (const value_id written : program_.operations()[op].writes) {
      if (is_present_[written] != 0) {
        copies_.push_back({.run = runs_.size(), .value = written});
        continue;
      }
      is_present_[written] = 1;
      if (is_rerun) recomputed_.push_back(written);
    }
    for (const value_id consumed : program_.operations()[op].consumes) is_present_[consumed] = 0;
    runs_.push_back(op);
  }

  void forget(value_id value) {
    if (!program_.values()[value].stays) is_present_[value] = 0;
  }

  void forget_what_is_not_kept() {
    for (value_id v = 0; v < program_.values().size(); ++v) {
      if (kept_[v] == 0 && is_present_[v] != 0 && can_be_recomputed(v)) forget(v);
    }
  }

  [[nodiscard]] bool can_be_recomputed(value_id value) const {
    return !program_.is_given(value) && program_.values()[value].kind != ValueKind::gradient &&
           repeatability_.may_run_again(program_.maker(value));
  }

  void forget_recomputed() {
    for (const value_id v : recomputed_) forget(v);
    recomputed_.clear();
  }

  const Program& program_;
  const SavedSet& kept_;
  RecomputedLifetime lifetime_;
  Repeatability repeatability_;
  std::vector<std::uint8_t> is_present_;
  std::vector<std::uint8_t> has_run_;
  RunList runs_;
  std::vector<ListedCopy> copies_;
  std::vector<Frame> stack_;
  std::vector<value_id> recomputed_;
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
  return saving::Recomputation(program, kept, lifetime).schedule();
}

}  // namespace reprise::inline v0
