// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What is needed after one instant of a plan, and what could recompute it.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <reprise/planner/staged/instant_programme.hpp>
#include <reprise/planner/staged/staged_plan.hpp>
#include <span>
#include <vector>

namespace reprise::inline v0::staged {

/// The storages that live through the stage of one operation, the operations that could make them
/// again after it, and what those need in turn.
///
/// What the widest operation of the stage reads or makes is there anyway and costs nothing to keep.
/// An operation that nothing before the instant needs may run for the first time after it, at no
/// cost.
class InstantNeeds {
 public:
  /// Linear in the program and the plan.
  /// @param plan must outlive this and stay as it is while it is read
  InstantNeeds(const StagedPlan& plan, stage_id instant)
      : plan_(&plan),
        program_(&plan.program()),
        instant_(instant),
        is_wanted_(program_->value_count(), 0),
        is_recompute_(program_->operation_count(), 0),
        earliest_(program_->value_count(), StagedPlan::never) {
    // After the last operation there is nothing to recompute for.
    if (instant >= program_->operation_count()) return;
    note_touched();
    note_held();
    collect();
  }

  /// The plan that has the instant.
  [[nodiscard]] const StagedPlan& plan() const noexcept { return *plan_; }
  /// What it is read from.
  [[nodiscard]] const StagedProgram& program() const noexcept { return *program_; }
  /// The number of storages that matter: those that are needed, or by a recompute of another one.
  [[nodiscard]] std::size_t size() const noexcept { return storages_.size(); }
  /// The bytes that may be kept, beside what the instant has anyway. Less than 0 if no choice fits.
  [[nodiscard]] double capacity() const noexcept {
    return held_bytes_ - plan_->profile()[instant_];
  }
  /// The bytes that are held and not there anyway.
  [[nodiscard]] double held_bytes() const noexcept { return held_bytes_; }

  /// What there is to choose. Linear in it.
  [[nodiscard]] InstantProgramme programme() const {
    InstantProgramme choice{.capacity = capacity()};
    for (std::size_t i = 0; i < storages_.size(); ++i) {
      const value_id storage = storages_[i];
      choice.storages.push_back(
          {.storage = storage,
           .bytes = program_->storage_bytes(storage),
           .maker = can_be_recomputed(storage) ? program_->maker(storage) : Program::no_operation,
           .is_there = is_free_to_keep(storage),
           .is_needed = i < held_count_});
    }
    for (const operation_id op : recomputes_) {
      plan_->watch().spend(8 * program_->reads(op).size());
      choice.recomputes.push_back({.op = op, .cost = recompute_cost(op)});
      list_needs(op, choice);
    }
    return choice;
  }

  /// The reruns that recompute some storages, each at the first stage that needs it, and what
  /// somebody takes over at each such stage; latest operation first. Linear in the program.
  /// @param is_recomputed of a storage: whether it is not kept
  template <std::predicate<value_id> P>
  [[nodiscard]] std::vector<Placement> reruns(P is_recomputed) const {
    std::vector<Placement> list;
    std::vector<stage_id> needs(program_->value_count(), StagedPlan::never);
    for (const value_id storage : storages_) {
      if (!is_recomputed(storage)) continue;
      for (const value_id member : program_->members(storage)) needs[member] = next_need(member);
    }
    std::vector<Placement> alone;  ///< each for a rerun at its stage, in order
    std::vector<stage_id> stages;
    for (operation_id op = instant_ + 1; op-- > 0;) {
      plan_->watch().spend(1);
      const auto place = [&](stage_id stage) {
        if (plan_->contains(op, stage)) return;
        list.push_back({op, stage});
        plan_->watch().spend(4 * program_->reads(op).size());
        for (const value_id read : program_->reads(op)) {
          const value_id storage = program_->storage(read);
          if (program_->is_taken_over(read)) {
            insert(alone, {program_->maker(read), stage});
          } else if (is_wanted_[storage] != 0 && is_recomputed(storage) &&
                     !is_made_after(read, stage)) {
            needs[read] = std::min(needs[read], stage);
          }
        }
      };
      stages.clear();
      for (; !alone.empty() && alone.back().op == op; alone.pop_back()) {
        stages.push_back(alone.back().stage);
      }
      stage_id first = StagedPlan::never;
      for (const value_id written : program_->writes(op)) first = std::min(first, needs[written]);
      if (first != StagedPlan::never && (stages.empty() || first < stages.back())) place(first);
      for (const stage_id stage : stages) place(stage);
    }
    return list;
  }

 private:
  // Keeps them in order, each once.
  static void insert(std::vector<Placement>& sorted, Placement placement) {
    const auto place = std::ranges::lower_bound(sorted, placement);
    if (place == sorted.end() || *place != placement) sorted.insert(place, placement);
  }

  // What the widest operation of the stage, or one after it, reads or makes.
  void note_touched() {
    is_touched_.assign(program_->value_count(), 0);
    const std::span<const operation_id> operations = plan_->operations(instant_);
    for (const operation_id op : operations.subspan(plan_->widest(instant_))) {
      for (const value_id read : program_->reads(op)) is_touched_[program_->storage(read)] = 1;
      for (const value_id made : program_->writes(op)) is_touched_[program_->storage(made)] = 1;
    }
  }

  void note_held() {
    for (value_id storage = 0; storage < program_->value_count(); ++storage) {
      plan_->watch().spend(2);
      for (const StagedPlan::Span& span : plan_->spans(storage)) {
        if (span.begin > instant_ || span.end <= instant_) continue;
        want(storage);
        if (!is_free_to_keep(storage)) held_bytes_ += program_->storage_bytes(storage);
        break;
      }
    }
    held_count_ = storages_.size();
  }

  void want(value_id storage) {
    if (is_wanted_[storage] != 0) return;
    is_wanted_[storage] = 1;
    storages_.push_back(storage);
  }

  // The stage after the instant at which a value that is held through it is used, or `never`.
  [[nodiscard]] stage_id next_need(value_id value) const {
    const operation_id maker = program_->maker(value);
    const std::ptrdiff_t run = plan_->run_before(maker, instant_);
    if (run < 0) return StagedPlan::never;
    const stage_id next = plan_->next_making(value, static_cast<std::size_t>(run));
    const stage_id need = plan_->first_use(value, instant_ + 1, next);
    return need == program_->end() ? program_->stage_count() - 1 : need;
  }

  [[nodiscard]] bool is_made_after(value_id value, stage_id stage) const {
    const operation_id maker = program_->maker(value);
    if (program_->stays(value)) return plan_->runs(maker).front() > instant_;
    const std::ptrdiff_t run = plan_->run_before(maker, stage);
    return run >= 0 && plan_->runs(maker)[static_cast<std::size_t>(run)] > instant_;
  }

  // From the last operation to the first: who could be recomputed, and what that would need.
  void collect() {
    for (std::size_t i = 0; i < held_count_; ++i) {
      for (const value_id member : program_->members(storages_[i])) {
        earliest_[member] = next_need(member);
      }
    }
    is_free_.assign(program_->operation_count(), 0);
    for (operation_id op = instant_ + 1; op-- > 0;) {
      plan_->watch().spend(4 + 2 * program_->reads(op).size());
      is_free_[op] = is_free(op) ? 1 : 0;
      stage_id stage = StagedPlan::never;
      for (const value_id written : program_->writes(op)) {
        if (is_wanted_[program_->storage(written)] == 0) continue;
        stage = std::min(stage, earliest_[written]);
      }
      if (stage == StagedPlan::never || !program_->step(op).is_repeatable) continue;
      is_recompute_[op] = 1;
      recomputes_.push_back(op);
      for (const value_id read : program_->reads(op)) {
        if (is_made_after(read, stage)) continue;
        want(program_->storage(read));
        earliest_[read] = std::min(earliest_[read], stage);
      }
    }
  }

  // True if nothing at or before the instant needs what the operation makes.
  [[nodiscard]] bool is_free(operation_id op) const {
    if (!program_->can_be_deferred(op) || plan_->runs(op).size() > 1) return false;
    for (const value_id written : program_->writes(op)) {
      for (const operation_id reader : program_->readers(written)) {
        if (plan_->runs(reader).front() <= instant_ && is_free_[reader] == 0) return false;
      }
    }
    return true;
  }

  void list_needs(operation_id op, InstantProgramme& choice) const {
    const stage_id stage = earliest_stage(op);
    for (const value_id read : program_->reads(op)) {
      if (is_made_after(read, stage)) continue;
      const operation_id maker = program_->maker(read);
      if (!program_->is_taken_over(read)) {
        choice.needs.push_back({.op = op, .storage = program_->storage(read)});
      } else if (is_recompute_[maker] != 0) {
        choice.consumptions.push_back({.op = op, .maker = maker});
      }
    }
  }

  // What the instant has anyway, unless it must go.
  [[nodiscard]] bool is_free_to_keep(value_id storage) const noexcept {
    return is_touched_[storage] != 0 && !program_->is_forced(storage);
  }

  [[nodiscard]] stage_id earliest_stage(operation_id op) const {
    stage_id stage = StagedPlan::never;
    for (const value_id written : program_->writes(op)) {
      stage = std::min(stage, earliest_[written]);
    }
    return stage;
  }

  // All views that are held must be recomputed too, and what stays goes no more once it is made.
  [[nodiscard]] bool can_be_recomputed(value_id storage) const {
    if (is_recompute_[program_->maker(storage)] == 0) return false;
    return std::ranges::all_of(program_->members(storage), [&](value_id member) {
      const operation_id maker = program_->maker(member);
      const bool is_there = program_->stays(member) && maker <= instant_ && is_free_[maker] == 0;
      if (is_there) return false;
      return earliest_[member] == StagedPlan::never || program_->step(maker).is_repeatable;
    });
  }

  // With that of the views of its storages that the program itself reads afterwards.
  [[nodiscard]] double recompute_cost(operation_id op) const {
    double cost = is_free_[op] != 0 ? 0 : program_->step(op).cost;
    for (const value_id written : program_->writes(op)) {
      if (program_->storage(written) != written) continue;
      for (const value_id member : program_->members(written)) {
        const operation_id maker = program_->maker(member);
        if (member == written || maker > instant_ || is_free_[maker] != 0) continue;
        if (next_need(member) != StagedPlan::never) cost += program_->step(maker).cost;
      }
    }
    return cost;
  }

  const StagedPlan* plan_;
  const StagedProgram* program_;
  stage_id instant_;
  std::vector<std::uint8_t> is_wanted_;     ///< of a storage: it is among those that matter
  std::vector<std::uint8_t> is_recompute_;  ///< of an operation: it is among the recomputes
  std::vector<stage_id> earliest_;          ///< of a value: the first stage that may need it again
  std::vector<std::uint8_t> is_touched_;
  std::vector<std::uint8_t> is_free_;
  std::vector<value_id> storages_;  ///< that matter; held ones first
  std::size_t held_count_ = 0;
  double held_bytes_ = 0;
  std::vector<operation_id> recomputes_;
};

}  // namespace reprise::inline v0::staged
