// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What to keep through one instant, and what to remake after it, for a price of a byte.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <reprise/planner/staged/instant_programme.hpp>
#include <reprise/planner/staged/max_flow.hpp>
#include <reprise/planner/staged/staged_edit.hpp>
#include <reprise/planner/staged/staged_plan.hpp>
#include <span>
#include <vector>

namespace reprise::inline v0 {

/// A minimum cut at the stage of one operation: each value that is needed after it is kept, at the
/// price of its bytes, or remade later at the cost of its maker, which needs its own arguments
/// then.
///
/// What the widest operation of the stage reads or makes is there anyway and costs nothing to keep.
/// An operation that nothing before the instant needs may run for the first time after it, at no
/// cost. Source: the cut is that of Jain et al. (arXiv:1910.02653) and of PyTorch's partitioner,
/// with a price in place of a set of values that may be kept.
class InstantCut {
 public:
  /// @param plan must outlive this and stay as it is while it is read
  /// @param kept a flag for each storage that stays whatever its price, or empty
  InstantCut(const StagedPlan& plan, stage_id instant, std::vector<std::uint8_t> kept = {})
      : plan_(&plan),
        program_(&plan.program()),
        instant_(instant),
        must_stay_(std::move(kept)),
        storage_nodes_(program_->value_count(), none),
        remake_nodes_(program_->operation_count(), none),
        earliest_(program_->value_count(), StagedPlan::never) {
    // After the last operation there is nothing to remake for.
    if (instant >= program_->operation_count()) return;
    note_touched();
    note_held();
    collect();
    build();
  }

  /// The bytes that may be kept, beside what the instant has anyway. Less than 0 if no choice fits.
  [[nodiscard]] double capacity() const noexcept {
    return held_bytes_ - plan_->profile()[instant_];
  }
  /// The number of decisions.
  [[nodiscard]] std::size_t size() const noexcept { return storages_.size(); }
  /// Prices of interest are a few powers of ten around this one.
  [[nodiscard]] double typical_price() const noexcept {
    return held_bytes_ > 0 && total_cost_ > 0 ? total_cost_ / held_bytes_ : 1.0;
  }

  /// The number of storages that have a price.
  [[nodiscard]] std::size_t priced_count() const noexcept { return keeps_.size(); }

  /// What there is to choose. Linear in it.
  [[nodiscard]] InstantProgramme programme() const {
    InstantProgramme choice{.capacity = capacity()};
    for (std::size_t i = 0; i < storages_.size(); ++i) {
      const value_id storage = storages_[i];
      choice.storages.push_back(
          {.storage = storage,
           .bytes = program_->storage_bytes(storage),
           .maker = can_be_remade(storage) ? program_->maker(storage) : Program::no_operation,
           .is_there = is_free_to_keep(storage),
           .is_needed = i < held_count_});
    }
    for (const operation_id op : remakes_) {
      choice.remakes.push_back({.op = op, .cost = remake_cost(op)});
      list_needs(op, choice);
    }
    return choice;
  }

  /// Finds the cheapest choice at a price, which must not be below the last one's.
  void solve(double price) {
    for (Keep& keep : keeps_) raise(keep, price);
    price_ = price;
    solve();
  }
  /// The same where some storages, by their number below `priced_count`, have a higher price.
  /// `bound` then means nothing.
  void solve(double price, std::span<const std::uint32_t> dearer, double higher_price) {
    for (const std::uint32_t number : dearer) raise(keeps_[number], higher_price);
    solve(price);
  }

  /// Gives up what may not live through the instant, and no more than that takes.
  void solve_forced() {
    for (Keep& keep : keeps_) {
      if (!program_->is_forced(keep.storage)) continue;
      flow_.grow(keep.arc, MaxFlow::unlimited - keep.capacity);
      keep.capacity = MaxFlow::unlimited;
    }
    solve();
  }

  /// The bytes that the choice keeps.
  [[nodiscard]] double kept_bytes() const {
    double bytes = 0;
    for (const Keep& keep : keeps_) bytes += is_kept(keep.storage) ? keep.bytes : 0;
    return bytes;
  }
  /// What the choice remakes costs, by the measure of the cut.
  [[nodiscard]] double remade_cost() const {
    double cost = 0;
    for (const operation_id op : remakes_) {
      if (flow_.is_on_source_side(remake_nodes_[op])) cost += remake_cost(op);
    }
    return cost;
  }
  /// Proof that no choice within the capacity costs less, whatever the price; so no plan that keeps
  /// what stays and runs the instant's operation before all later ones, if the plan is the one
  /// without reruns.
  [[nodiscard]] double bound() const noexcept {
    return value_ - price_ * (capacity() - staying_bytes_);
  }

  /// The reruns of the choice, each at the first stage that needs it, latest operation first.
  [[nodiscard]] std::vector<Placement> reruns() const {
    std::vector<Placement> list;
    std::vector<stage_id> needs(program_->value_count(), StagedPlan::never);
    for (const value_id storage : storages_) {
      if (!is_remade(storage)) continue;
      for (const value_id member : program_->members(storage)) needs[member] = next_need(member);
    }
    for (operation_id op = instant_ + 1; op-- > 0;) {
      stage_id stage = StagedPlan::never;
      for (const value_id written : program_->writes(op)) {
        stage = std::min(stage, needs[written]);
      }
      if (stage == StagedPlan::never || plan_->contains(op, stage)) continue;
      list.push_back({op, stage});
      for (const value_id read : program_->reads(op)) {
        const value_id storage = program_->storage(read);
        const bool must = program_->consumes(op, read);
        if (!must && (storage_nodes_[storage] == none || !is_remade(storage))) continue;
        if (!is_made_after(read, stage)) needs[read] = std::min(needs[read], stage);
      }
    }
    return list;
  }

 private:
  static constexpr std::uint32_t none = 0xFFFFFFFFU;
  static constexpr std::uint32_t source = 0;
  static constexpr std::uint32_t sink = 1;

  struct Keep {
    value_id storage;
    std::uint32_t arc;
    double bytes;
    MaxFlow::capacity_type capacity = 0;
  };

  [[nodiscard]] MaxFlow::capacity_type scaled(double cost) const {
    return static_cast<MaxFlow::capacity_type>(std::min(cost * scale_, 0x1p46));
  }

  void raise(Keep& keep, double price) {
    if (must_stay(keep.storage)) return;
    const MaxFlow::capacity_type capacity = scaled(price * keep.bytes);
    if (capacity > keep.capacity) flow_.grow(keep.arc, capacity - keep.capacity);
    keep.capacity = std::max(keep.capacity, capacity);
  }
  void solve() { value_ = static_cast<double>(flow_.solve(source, sink)) / scale_; }

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
    if (storage_nodes_[storage] != none) return;
    storage_nodes_[storage] = node_count_++;
    storages_.push_back(storage);
  }

  // The stage after the instant at which a value that is held through it is used, or `never`.
  [[nodiscard]] stage_id next_need(value_id value) const {
    const operation_id maker = program_->maker(value);
    const std::ptrdiff_t run = plan_->run_before(maker, instant_);
    if (run < 0) return StagedPlan::never;
    const stage_id next = plan_->next_run(maker, static_cast<std::size_t>(run));
    const stage_id need = plan_->first_use(value, instant_ + 1, next);
    return need == program_->end() ? program_->stage_count() - 1 : need;
  }

  [[nodiscard]] bool is_made_after(value_id value, stage_id stage) const {
    const operation_id maker = program_->maker(value);
    const std::ptrdiff_t run = plan_->run_before(maker, stage);
    return run >= 0 && plan_->runs(maker)[static_cast<std::size_t>(run)] > instant_;
  }

  // From the last operation to the first: who could be remade, and what that would need.
  void collect() {
    for (std::size_t i = 0; i < held_count_; ++i) {
      for (const value_id member : program_->members(storages_[i])) {
        earliest_[member] = next_need(member);
      }
    }
    is_free_.assign(program_->operation_count(), 0);
    for (operation_id op = instant_ + 1; op-- > 0;) {
      is_free_[op] = is_free(op) ? 1 : 0;
      stage_id stage = StagedPlan::never;
      for (const value_id written : program_->writes(op)) {
        if (storage_nodes_[program_->storage(written)] == none) continue;
        stage = std::min(stage, earliest_[written]);
      }
      if (stage == StagedPlan::never || !program_->step(op).is_repeatable) continue;
      remake_nodes_[op] = node_count_++;
      remakes_.push_back(op);
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

  void build() {
    const InstantProgramme choice = programme();
    for (const InstantProgramme::Remake& remake : choice.remakes) total_cost_ += remake.cost;
    scale_ = total_cost_ > 0 ? 0x1p44 / total_cost_ : 1.0;
    flow_ = MaxFlow(node_count_);
    for (const auto& [storage, bytes, maker, is_there, is_needed] : choice.storages) {
      const std::uint32_t node = storage_nodes_[storage];
      if (is_needed) flow_.add_arc(source, node, MaxFlow::unlimited);
      if (is_there) continue;
      if (is_needed && must_stay(storage)) staying_bytes_ += bytes;
      const std::uint32_t remake = maker == Program::no_operation ? sink : remake_nodes_[maker];
      keeps_.push_back({.storage = storage, .arc = flow_.add_arc(node, remake, 0), .bytes = bytes});
    }
    for (const auto& [op, cost] : choice.remakes) {
      flow_.add_arc(remake_nodes_[op], sink, scaled(cost));
    }
    for (const auto& [op, storage] : choice.needs) {
      flow_.add_arc(remake_nodes_[op], storage_nodes_[storage], MaxFlow::unlimited);
    }
    for (const auto& [op, maker] : choice.consumptions) {
      flow_.add_arc(remake_nodes_[op], remake_nodes_[maker], MaxFlow::unlimited);
    }
  }

  void list_needs(operation_id op, InstantProgramme& choice) const {
    const stage_id stage = earliest_stage(op);
    for (const value_id read : program_->reads(op)) {
      if (is_made_after(read, stage)) continue;
      const operation_id maker = program_->maker(read);
      if (!program_->consumes(op, read)) {
        choice.needs.push_back({.op = op, .storage = program_->storage(read)});
      } else if (remake_nodes_[maker] != none) {
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

  // All views that are held must be made again too.
  [[nodiscard]] bool can_be_remade(value_id storage) const {
    if (remake_nodes_[program_->maker(storage)] == none) return false;
    return std::ranges::all_of(program_->members(storage), [&](value_id member) {
      return earliest_[member] == StagedPlan::never ||
             program_->step(program_->maker(member)).is_repeatable;
    });
  }

  // With that of the views of its storages that the program itself reads afterwards.
  [[nodiscard]] double remake_cost(operation_id op) const {
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

  [[nodiscard]] bool must_stay(value_id storage) const noexcept {
    return !must_stay_.empty() && must_stay_[storage] != 0;
  }
  [[nodiscard]] bool is_remade(value_id storage) const {
    if (must_stay(storage)) return false;
    if (!flow_.is_on_source_side(storage_nodes_[storage])) return false;
    const std::uint32_t remake = remake_nodes_[program_->maker(storage)];
    return remake != none && flow_.is_on_source_side(remake);
  }
  [[nodiscard]] bool is_kept(value_id storage) const {
    return flow_.is_on_source_side(storage_nodes_[storage]) && !is_remade(storage);
  }

  const StagedPlan* plan_;
  const StagedProgram* program_;
  stage_id instant_;
  std::vector<std::uint8_t> must_stay_;
  std::vector<std::uint32_t> storage_nodes_;
  std::vector<std::uint32_t> remake_nodes_;
  std::vector<stage_id> earliest_;  ///< of a value: the first stage that may need it again
  std::vector<std::uint8_t> is_touched_;
  std::vector<std::uint8_t> is_free_;
  std::vector<value_id> storages_;  ///< those that have a node; held ones first
  std::size_t held_count_ = 0;
  double held_bytes_ = 0;
  double staying_bytes_ = 0;  ///< held, with a price, and kept whatever that is
  std::vector<operation_id> remakes_;
  std::uint32_t node_count_ = 2;
  MaxFlow flow_{0};
  std::vector<Keep> keeps_;
  double scale_ = 1;
  double total_cost_ = 0;
  double price_ = 0;
  double value_ = 0;
};

/// A plan with the reruns of a cut added and without what they make useless.
[[nodiscard]] inline StagedPlan with_reruns(const StagedPlan& plan,
                                            std::span<const Placement> reruns) {
  std::vector<Placement> placements = plan.placements();
  placements.insert(placements.end(), reruns.begin(), reruns.end());
  StagedPlan next(plan.program(), plan.limits(), placements);
  UselessRuns useless;
  for (const Placement& p : reruns) {
    useless.suspect(p);
    for (const value_id read : plan.program().reads(p.op)) useless.suspect(next, read, p.stage - 1);
    const std::ptrdiff_t before = next.run_before(p.op, p.stage - 1);
    if (before >= 0) useless.suspect({p.op, next.runs(p.op)[static_cast<std::size_t>(before)]});
  }
  useless.remove_from(next);
  next.settle();
  next.commit();
  return next;
}

}  // namespace reprise::inline v0
