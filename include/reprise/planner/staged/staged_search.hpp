// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A penalised local search over plans by stages.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <reprise/planner/staged/search_random.hpp>
#include <reprise/planner/staged/staged_edit.hpp>
#include <reprise/planner/staged/staged_plan.hpp>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace reprise::inline v0::staged {

/// Draws storages with a probability that grows with the root of their bytes. Constant time.
/// Source: Vose, "A linear algorithm for generating random numbers with a given distribution",
/// 1991.
class StorageDraw {
 public:
  /// Of the storages that have bytes and may be recomputed. Linear in the program.
  explicit StorageDraw(const StagedProgram& program) {
    double total = 0;
    std::vector<double> weights;
    for (value_id v = 0; v < program.value_count(); ++v) {
      if (program.storage_bytes(v) == 0 || !program.step(program.maker(v)).is_repeatable) continue;
      storages_.push_back(v);
      weights.push_back(std::sqrt(program.storage_bytes(v)));
      total += weights.back();
    }
    other_.resize(storages_.size());
    share_.assign(storages_.size(), 1);
    std::vector<std::uint32_t> small;
    std::vector<std::uint32_t> large;
    const double mean = total / static_cast<double>(storages_.size());
    for (std::uint32_t i = 0; i < storages_.size(); ++i) {
      weights[i] /= mean;
      (weights[i] < 1 ? small : large).push_back(i);
    }
    while (!small.empty() && !large.empty()) {
      const std::uint32_t less = small.back();
      const std::uint32_t more = large.back();
      small.pop_back();
      share_[less] = weights[less];
      other_[less] = more;
      weights[more] -= 1 - weights[less];
      if (weights[more] >= 1) continue;
      large.pop_back();
      small.push_back(more);
    }
  }

  /// True if there is no such storage: then nothing can be drawn.
  [[nodiscard]] bool empty() const noexcept { return storages_.empty(); }
  /// One of them; takes two random numbers.
  [[nodiscard]] value_id operator()(SearchRandom& random) const {
    const std::size_t i = random.below(storages_.size());
    return storages_[random.uniform() < share_[i] ? i : other_[i]];
  }

 private:
  std::vector<value_id> storages_;
  std::vector<double> share_;
  std::vector<std::uint32_t> other_;
};

/// A set of placements that changes by single ones, of which the best state can be had later.
class BestPlacements {
 public:
  /// The start, sorted, is the best state until another is marked.
  explicit BestPlacements(std::vector<Placement> start) : best_(std::move(start)) {}

  /// Applies changes to the state; one that came back undoes itself.
  void note(std::span<const StagedPlan::Change> changes) {
    for (const StagedPlan::Change& change : changes) journal_.push_back(change.placement);
    if (journal_.size() > longest_) compact();
  }
  /// The state after all that was noted is the best one.
  void mark() noexcept { length_ = journal_.size(); }
  /// The best state, sorted. What was noted after the last `mark` is not in it.
  [[nodiscard]] std::vector<Placement> best() && {
    journal_.resize(length_);
    toggle();
    return std::move(best_);
  }

 private:
  // Keeps what came after the best state.
  void compact() {
    fold();
    longest_ = 4096 + 2 * journal_.size() + best_.size() / 4;
  }
  void fold() {
    if (length_ == 0) return cancel(journal_);
    std::vector<Placement> rest(journal_.begin() + static_cast<std::ptrdiff_t>(length_),
                                journal_.end());
    journal_.resize(length_);
    toggle();
    cancel(rest);
    journal_ = std::move(rest);
    length_ = 0;
  }
  void toggle() {
    cancel(journal_);
    std::vector<Placement> next;
    std::ranges::set_symmetric_difference(best_, journal_, std::back_inserter(next));
    best_ = std::move(next);
  }
  // What happened an even number of times did not happen.
  static void cancel(std::vector<Placement>& list) {
    std::ranges::sort(list);
    std::size_t kept = 0;
    for (const Placement& p : list) {
      if (kept > 0 && list[kept - 1] == p) {
        --kept;
      } else {
        list[kept++] = p;
      }
    }
    list.resize(kept);
  }

  std::vector<Placement> best_;
  std::vector<Placement> journal_;
  std::size_t length_ = 0;
  std::size_t longest_ = 4096;
};

/// Lowers cost + price * violation by random moves: a rerun goes, or a value is given up for the
/// time to its next use.
class StagedSearch {
 public:
  /// What a search is to do.
  struct Options {
    std::uint64_t seed = 0;           ///< of its random choices
    double first_temperature = 0.4;   ///< in units of a costly operation
    double last_temperature = 0.002;  ///< in the same unit
    double target = 0;                ///< a plan of this cost is good enough
    double first_price = 0;           ///< of a byte over the budget; if 0, a low one
    /// Of any operation; what runs more often at the start may stay so.
    std::size_t most_runs = std::numeric_limits<std::size_t>::max();
  };

  /// Starts from a plan, which may be over its budget.
  /// @throws TimeIsUp if the plan's watch ended it
  StagedSearch(StagedPlan start, Options options)
      : plan_(std::move(start)),
        program_(&plan_.program()),
        options_(options),
        random_(options.seed),
        draw_(*program_),
        best_(plan_.placements()),
        memo_(program_->operation_count()) {
    plan_.settle();
    plan_.commit();
    for (const Placement& p : plan_.placements()) {
      plan_.watch().spend(32);
      list(p);
    }
    violation_ = plan_.profile().violation();
    unit_ = unit_of_cost();
    price_ = options.first_price > 0 ? options.first_price : low_price();
    best_cost_ = plan_.fits() ? plan_.cost() : infinity;
  }

  /// False once nothing is left to do.
  [[nodiscard]] bool can_improve() const noexcept {
    return !draw_.empty() && best_cost_ > options_.target;
  }
  /// The cost of the best plan so far; infinity without one.
  [[nodiscard]] double best_cost() const noexcept { return best_cost_; }
  /// True once a state was within the budget.
  [[nodiscard]] bool has_plan() const noexcept { return best_cost_ < infinity; }
  /// How far the state that was accepted last is over the budget, see `StageProfile::violation`.
  [[nodiscard]] double violation() const noexcept { return violation_; }
  /// Of a byte over the budget at a stage, in the program's unit of cost.
  [[nodiscard]] double price() const noexcept { return price_; }
  /// Moves tried so far, those that were refused included.
  [[nodiscard]] std::uint64_t tries() const noexcept { return tries_; }
  /// The placements of the best state, or of the one that was accepted last if there is no plan.
  [[nodiscard]] std::vector<Placement> take() && {
    if (!has_plan()) best_.mark();
    return std::move(best_).best();
  }

  /// Goes on for some tries at a progress between 0, hot, and 1, cold.
  /// @throws TimeIsUp if the plan's watch ended it; nothing may be called then but what tells of
  ///   states that were accepted, and `take`
  void run(std::uint64_t tries, double progress) {
    temperature_ = unit_ * options_.first_temperature *
                   std::pow(options_.last_temperature / options_.first_temperature, progress);
    for (std::uint64_t i = 0; i < tries; ++i) {
      attempt();
      if (++tries_ % 256 == 0) adjust_price();
    }
  }

 private:
  static constexpr double infinity = std::numeric_limits<double>::infinity();
  static constexpr double slow_step = 1.03;
  static constexpr double fast_step = 1.3;
  static constexpr double worthwhile = 0.98;

  [[nodiscard]] double unit_of_cost() const {
    std::vector<double> costs;
    for (operation_id op = 0; op < program_->operation_count(); ++op) {
      const StagedProgram::Step& step = program_->step(op);
      if (step.is_repeatable && step.cost > 0 && step.written_bytes > 0) costs.push_back(step.cost);
    }
    if (costs.empty()) return 1;
    const auto place = costs.begin() + static_cast<std::ptrdiff_t>(costs.size() * 9 / 10);
    std::ranges::nth_element(costs, place);
    return *place;
  }

  [[nodiscard]] double low_price() const {
    return 10 * program_->total_cost() /
           (std::max(1.0, program_->total_bytes()) * program_->stage_count());
  }

  // A price that rises faster than moves can follow would only make everything be recomputed at
  // once.
  void adjust_price() {
    const double violation = plan_.profile().violation();
    const double last = std::exchange(last_violation_, violation);
    if (plan_.fits()) {
      price_ /= has_plan() ? slow_step : fast_step;
    } else if (has_plan()) {
      price_ *= slow_step;
    } else if (violation > worthwhile * last) {
      price_ *= fast_step;
    }
  }

  void attempt() {
    const double before = plan_.cost() + price_ * plan_.profile().violation();
    const double removal = is_far_from_plan() ? 0.15 : 0.5;
    if (random_.chance(removal)) {
      remove_one();
      if (!plan_.fits() && random_.chance(0.5)) drop_one();
    } else {
      drop_one();
      if (plan_.fits() || random_.chance(removal)) remove_one();
    }
    useless_.remove_from(plan_);
    if (plan_.changes().empty()) return;
    if (runs_too_often()) return plan_.roll_back();
    plan_.settle();
    const double after = plan_.cost() + price_ * plan_.profile().violation();
    if (after > before && !random_.chance(std::exp((before - after) / temperature_))) {
      plan_.roll_back();
      return;
    }
    accept();
  }

  [[nodiscard]] bool runs_too_often() const {
    return std::ranges::any_of(plan_.changes(), [this](const StagedPlan::Change& change) {
      return change.is_added && plan_.runs(change.placement.op).size() > options_.most_runs;
    });
  }

  // Then values have to be given up in the first place.
  [[nodiscard]] bool is_far_from_plan() const noexcept {
    return !has_plan() && plan_.profile().violated_count() > program_->stage_count() / 50;
  }

  void accept() {
    for (const StagedPlan::Change& change : plan_.changes()) {
      // A deferred operation counts as placed at its own stage.
      const bool is_own = change.placement.op == change.placement.stage;
      if (change.is_added != is_own) {
        list(change.placement);
      } else {
        unlist(change.placement);
      }
    }
    best_.note(plan_.changes());
    plan_.commit();
    violation_ = plan_.profile().violation();
    if (plan_.fits() && plan_.cost() < best_cost_ * (1 - 1e-12)) {
      best_cost_ = plan_.cost();
      best_.mark();
    }
  }

  void list(Placement p) {
    slots_[key(p)] = static_cast<std::uint32_t>(listed_.size());
    listed_.push_back(p);
  }
  void unlist(Placement p) {
    const auto slot = slots_.find(key(p));
    const std::uint32_t at = slot->second;
    slots_.erase(slot);
    if (at + 1 != listed_.size()) {
      listed_[at] = listed_.back();
      slots_[key(listed_[at])] = at;
    }
    listed_.pop_back();
  }
  [[nodiscard]] static std::uint64_t key(Placement p) noexcept {
    return (std::uint64_t{p.op} << 32U) + p.stage;
  }

  // ---- a rerun goes ----

  void remove_one() {
    if (listed_.empty()) return;
    const Placement p = listed_[random_.below(listed_.size())];
    if (p.op == p.stage) {
      run_at_own_stage(p.op);
      useless_.suspect(
          {p.op, plan_.runs(p.op)[std::min<std::size_t>(1, plan_.runs(p.op).size() - 1)]});
      return;
    }
    remove_run(p);
  }

  void remove_run(Placement p) {
    if (!plan_.contains(p.op, p.stage) || feeds_consumer(p)) return;
    if (plan_.runs(p.op).front() == p.stage) run_at_own_stage(p.op);
    useless_.remove(plan_, p);
  }

  // What a rerun consumes is recomputed for it alone.
  [[nodiscard]] bool feeds_consumer(Placement p) const {
    for (const value_id written : program_->writes(p.op)) {
      plan_.watch().spend(4 * program_->readers(written).size());
      for (const operation_id reader : program_->readers(written)) {
        if (reader != p.stage && program_->is_taken_over(written) &&
            plan_.contains(reader, p.stage)) {
          return true;
        }
      }
    }
    return false;
  }

  void run_at_own_stage(operation_id op) {
    if (plan_.contains(op, op)) return;
    pending_.assign(1, op);
    while (!pending_.empty()) {
      const operation_id next = pending_.back();
      pending_.pop_back();
      if (plan_.contains(next, next)) continue;
      plan_.add(next, next);
      if (program_->runs_once(next)) useless_.suspect({next, plan_.runs(next).back()});
      for (const value_id read : program_->reads(next)) {
        const operation_id maker = program_->maker(read);
        if (plan_.run_before(maker, next) < 0) pending_.push_back(maker);
      }
    }
  }

  // ---- a value is given up ----

  void drop_one() {
    if (draw_.empty()) return;
    const bool aims = !plan_.fits() && random_.chance(0.7);
    const std::size_t stage =
        aims ? plan_.profile().violated(random_.below(plan_.profile().violated_count()))
             : random_.below(program_->stage_count());
    for (int i = 0; i < 64; ++i) {
      const value_id storage = draw_(random_);
      if (!is_held_through(storage, static_cast<stage_id>(stage))) continue;
      drop(storage, static_cast<stage_id>(stage));
      return;
    }
  }

  [[nodiscard]] bool is_held_through(value_id storage, stage_id stage) const {
    plan_.watch().spend(8 + plan_.spans(storage).size());
    return std::ranges::any_of(plan_.spans(storage), [&](const StagedPlan::Span& span) {
      return span.begin <= stage && stage < span.end;
    });
  }

  // Every value of the storage that is held through the stage is recomputed at its next use.
  void drop(value_id storage, stage_id stage) {
    for (const value_id member : program_->members(storage)) {
      const operation_id maker = program_->maker(member);
      const std::ptrdiff_t run = plan_.run_before(maker, stage);
      if (run < 0) continue;
      if (program_->stays(member)) return;
      const stage_id next = plan_.next_run(maker, static_cast<std::size_t>(run));
      stage_id need = plan_.first_use(member, stage + 1, next);
      if (need == StagedPlan::never) continue;
      need = std::min(need, program_->stage_count() - 1);
      if (need == stage) continue;
      if (!program_->step(maker).is_repeatable) return;
      if (random_.chance(0.03)) {
        need = stage + 1 + static_cast<stage_id>(random_.below(need - stage));
      }
      recompute(maker, need);
    }
  }

  void recompute(operation_id op, stage_id stage) {
    if (plan_.contains(op, stage)) return;
    choose_reruns(op, stage);
    std::ranges::sort(chosen_);
    for (const operation_id chosen : chosen_) plan_.add(chosen, stage);
    for (const operation_id chosen : chosen_) {
      for (const value_id read : program_->reads(chosen)) {
        useless_.suspect(plan_, read, stage - 1);
      }
      const std::ptrdiff_t before = plan_.run_before(chosen, stage - 1);
      if (before >= 0) {
        useless_.suspect({chosen, plan_.runs(chosen)[static_cast<std::size_t>(before)]});
      }
      merge_with_next(chosen, stage);
    }
  }

  // The operation and those that make what it lacks, where that is cheaper than holding it.
  void choose_reruns(operation_id op, stage_id stage) {
    ++visit_;
    chosen_.assign(1, op);
    memo_[op].chosen = visit_;
    for (std::size_t i = 0; i < chosen_.size(); ++i) {
      plan_.watch().spend(8 * program_->reads(chosen_[i]).size());
      for (const value_id read : program_->reads(chosen_[i])) {
        const operation_id maker = program_->maker(read);
        if (memo_[maker].chosen == visit_ || plan_.contains(maker, stage)) continue;
        if (!must_recompute(read, stage) && !is_recompute_cheaper(read, stage)) continue;
        memo_[maker].chosen = visit_;
        chosen_.push_back(maker);
      }
    }
  }

  [[nodiscard]] bool must_recompute(value_id read, stage_id stage) const {
    return program_->is_taken_over(read) || plan_.run_before(program_->maker(read), stage) < 0;
  }

  [[nodiscard]] bool is_recompute_cheaper(value_id value, stage_id stage) {
    const operation_id maker = program_->maker(value);
    if (!program_->step(maker).is_repeatable) return false;
    const double hold = price_of_holding(value, stage, infinity);
    if (hold <= 0) return false;
    const double noise = std::exp(0.6 * (random_.uniform() - 0.5));
    return price_of_recomputing(maker, stage, 8 * hold, 0) * noise < hold;
  }

  // What it costs in violation to hold a value's storage up to a stage.
  [[nodiscard]] double price_of_holding(value_id value, stage_id stage, double limit) const {
    const std::ptrdiff_t run = plan_.run_before(program_->maker(value), stage);
    const StagedPlan::Span& span = plan_.span_of(value, static_cast<std::size_t>(run));
    if (span.end + 1 >= stage) return 0;
    const double bytes = program_->storage_bytes(program_->storage(value));
    if (bytes == 0) return 0;
    plan_.watch().spend(8 + (stage - span.end) / 8);
    return price_ * plan_.profile().growth(span.end + 1, stage, bytes, limit / price_);
  }

  [[nodiscard]] double price_of_recomputing(operation_id op, stage_id stage, double limit,
                                            int depth) {
    plan_.watch().spend(16);
    if (plan_.contains(op, stage) || memo_[op].chosen == visit_) return 0;
    if (memo_[op].priced == visit_) return memo_[op].price;
    const StagedProgram::Step& step = program_->step(op);
    if (!step.is_repeatable || depth > 48) return infinity;
    double price = std::min(step.cost, price_of_merging(op, stage, step.cost));
    memo_[op] = {.chosen = memo_[op].chosen, .priced = visit_, .price = price};
    for (const value_id read : program_->reads(op)) {
      if (price > limit) break;
      const operation_id maker = program_->maker(read);
      const bool must = must_recompute(read, stage);
      double hold = must ? infinity : price_of_holding(read, stage, limit);
      if (hold > 0)
        hold = std::min(hold, price_of_recomputing(maker, stage, std::min(hold, limit), depth + 1));
      price += hold;
    }
    memo_[op].price = price;
    return price;
  }

  // What it costs to hold what a rerun makes to where the next rerun has its last use.
  [[nodiscard]] double price_of_merging(operation_id op, stage_id stage, double limit) const {
    const std::ptrdiff_t run = plan_.run_before(op, stage);
    const auto next = static_cast<std::size_t>(run + 1);
    if (next >= plan_.runs(op).size()) return infinity;
    return price_of_bridging(op, stage, next, limit);
  }

  // What it costs to hold an operation's values from a stage up to its run with that number.
  [[nodiscard]] double price_of_bridging(operation_id op, stage_id stage, std::size_t run,
                                         double limit) const {
    const stage_id later = plan_.runs(op)[run];
    const stage_id end = plan_.next_run(op, run);
    double price = 0;
    for (const value_id written : program_->writes(op)) {
      if (price > limit) break;
      if (plan_.first_use(written, later, end) == StagedPlan::never) continue;
      const double bytes = program_->storage_bytes(program_->storage(written));
      if (bytes == 0) continue;
      const stage_id held = plan_.last_use(written, stage, later);
      const stage_id from = held == StagedPlan::never ? stage : held;
      // Its next use may come after the run that would go.
      const stage_id until = plan_.first_use(written, later, end);
      price += price_ * plan_.profile().growth(from + 1, std::min(until, program_->stage_count()),
                                               bytes, limit / price_);
    }
    return price;
  }

  void merge_with_next(operation_id op, stage_id stage) {
    const auto run = static_cast<std::size_t>(plan_.run_before(op, stage));
    if (run + 1 >= plan_.runs(op).size()) return;
    const Placement next{op, plan_.runs(op)[run + 1]};
    if (feeds_consumer(next)) return;
    const double cost = program_->step(op).cost;
    const double noise = std::exp(0.6 * (random_.uniform() - 0.5));
    if (price_of_bridging(op, stage, run + 1, cost) * noise < cost) useless_.remove(plan_, next);
  }

  struct Memo {
    std::uint64_t chosen = 0;
    std::uint64_t priced = 0;
    double price = 0;
  };

  StagedPlan plan_;
  const StagedProgram* program_;
  Options options_;
  SearchRandom random_;
  StorageDraw draw_;
  BestPlacements best_;
  double best_cost_ = infinity;
  double unit_ = 1;
  double price_ = 1;
  double temperature_ = 1;
  double last_violation_ = infinity;
  double violation_ = infinity;  ///< of the state that was accepted last
  std::uint64_t tries_ = 0;
  std::vector<Placement> listed_;
  std::unordered_map<std::uint64_t, std::uint32_t> slots_;
  UselessRuns useless_;
  std::vector<operation_id> pending_;
  std::vector<operation_id> chosen_;
  std::vector<Memo> memo_;
  std::uint64_t visit_ = 0;
};

}  // namespace reprise::inline v0::staged
