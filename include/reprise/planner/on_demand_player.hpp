// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Plays a program in its order under a budget and recomputes on demand.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <reprise/core/units.hpp>
#include <reprise/planner/search_watch.hpp>
#include <reprise/program/ledger.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/repeatability.hpp>
#include <reprise/program/schedule.hpp>
#include <reprise/program/simulate.hpp>
#include <reprise/program/storages.hpp>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// What a player evicts first: the storage with the least level^l / (distance * bytes^a).
struct OnDemandRule {
  double bytes_power = 0;  ///< a
  double level_power = 0;  ///< l; 0 is Belady's rule
  /// Makes one result after the other, each with what it takes and no more, where every operation
  /// can be repeated.
  bool takes_results_lazily = false;
};

/// How runs ended that came to nothing.
struct OnDemandTally {
  std::uint32_t by_runs = 0;   ///< an operation would have run once more than it may
  std::uint32_t by_bytes = 0;  ///< nothing could go any more
  std::uint32_t by_work = 0;   ///< it took long
  bool is_cut_short = false;   ///< the work ended, or the time

  /// Adds those of other runs.
  void add(const OnDemandTally& other) noexcept {
    by_runs += other.by_runs;
    by_bytes += other.by_bytes;
    by_work += other.by_work;
    is_cut_short = is_cut_short || other.is_cut_short;
  }
};

/// How much work several runs may take together.
struct OnDemandLimit {
  std::uint64_t work = std::uint64_t{1} << 26U;  ///< of some nanoseconds each
  staged::SearchWatch watch{};                   ///< ends them by the clock; never, by default
  OnDemandTally tally{};                         ///< of the runs so far

  /// @throws staged::TimeIsUp if that is more than is left, or it is too late
  void spend(std::uint64_t amount) {
    if (amount > work) throw staged::TimeIsUp{};
    work -= amount;
    watch.spend(amount);
  }
};

namespace on_demand {

/// The operations that are still to run, and how many of them come before one.
class PendingOperations {
 public:
  /// All of them are pending.
  explicit PendingOperations(std::size_t count)
      : words_((count + bits) / bits, 0), before_(words_.size() + 1, 0) {
    for (std::size_t op = 0; op < count; ++op) set(op, true);
  }

  [[nodiscard]] bool contains(std::size_t op) const noexcept {
    return (words_[op / bits] >> (op % bits) & 1U) != 0;
  }
  /// Linear in the operations after it, 64 at a time.
  /// @returns false if that changes nothing
  bool set(std::size_t op, bool is_pending) noexcept {
    if (contains(op) == is_pending) return false;
    words_[op / bits] ^= std::uint64_t{1} << (op % bits);
    const std::uint32_t change = is_pending ? 1U : ~0U;
    for (std::size_t word = op / bits + 1; word < before_.size(); ++word) before_[word] += change;
    return true;
  }
  /// How many come before one. Constant time.
  [[nodiscard]] std::uint32_t count_before(std::size_t op) const noexcept {
    const std::uint64_t mask = (std::uint64_t{1} << (op % bits)) - 1;
    return before_[op / bits] + static_cast<std::uint32_t>(std::popcount(words_[op / bits] & mask));
  }

 private:
  static constexpr std::size_t bits = 64;

  std::vector<std::uint64_t> words_;
  std::vector<std::uint32_t> before_;
};

}  // namespace on_demand

/// Runs a program in its order within a budget, with the whole program known: recomputes what is
/// absent when it is needed, as often as that takes, and evicts by distance and level.
///
/// Unlike a plan by stages an operation may run several times for one operation of the program, so
/// budgets are met at which no plan by stages is known. Distance counts the operations that are
/// still to run, recomputations that were begun included, before the next that reads a storage. The
/// level of a storage is the largest power of two that has a multiple between its maker and its
/// last reader before most is live: with it a chain is reversed nearly as by treeverse. What cannot
/// be made again stays until nothing that is to run may need it. Success is not monotone in the
/// budget. Each eviction costs time linear in what is live; `OnDemandLimit` ends a run that takes
/// long.
class OnDemandPlayer {
 public:
  /// Linear in the program.
  /// @param program must outlive this
  explicit OnDemandPlayer(const Program& program)
      : program_(program),
        repeatability_(program),
        storages_(storages_of(program)),
        members_(program.values().size()),
        readers_(program.values().size()),
        readers_of_storage_(program.values().size()),
        end_(static_cast<operation_id>(program.operations().size())) {
    for (value_id v = 0; v < storages_.size(); ++v) {
      if (!program.is_given(v)) members_[storages_[v]].push_back(v);
    }
    needs_.reserve(end_);
    for (operation_id op = 0; op < end_; ++op) {
      needs_.push_back(needs_of(op));
      for (const value_id read : needs_[op]) list_reader(read, op);
    }
    for (const value_id result : program.results()) list_reader(result, end_);
    find_last_needs();
    find_levels();
  }

  /// The schedule of one run, valid for `simulate`; nothing if it did not fit.
  /// @param most_runs of any operation, at least 1
  /// @param most_cost of what is recomputed: a run that comes to as much ends with nothing
  /// @throws staged::TimeIsUp if the limit ends it
  [[nodiscard]] std::optional<Schedule> play(
      byte_count budget, OnDemandRule rule, std::uint32_t most_runs, OnDemandLimit& limit,
      double most_cost = std::numeric_limits<double>::infinity()) const {
    return Run(*this, budget, rule, most_runs, limit, most_cost).play();
  }

 private:
  using Makers = std::vector<operation_id>;

  /// One run through the program.
  class Run {
   public:
    Run(const OnDemandPlayer& of, byte_count budget, OnDemandRule rule, std::uint32_t most_runs,
        OnDemandLimit& limit, double most_cost)
        : of_(of),
          limit_(limit),
          budget_(budget),
          rule_(rule),
          most_runs_(most_runs),
          most_cost_(most_cost),
          ledger_(of.program_),
          runs_(of.end_, 0),
          pending_(of.end_ + std::size_t{1}),
          visited_(of.end_, 0),
          locks_(of.storages_.size(), 0),
          given_up_(of.storages_.size(), 0),
          next_(of.storages_.size(), none),
          weights_(of.storages_.size(), 1),
          slots_(of.storages_.size(), none) {
      for (value_id storage = 0; storage < next_.size(); ++storage) {
        if (of.members_[storage].empty()) continue;
        const std::vector<operation_id>& readers = of.readers_of_storage_[storage];
        if (!readers.empty()) next_[storage] = readers.front();
        weights_[storage] = weight_of(storage);
      }
    }

    [[nodiscard]] std::optional<Schedule> play() {
      try {
        if (rule_.takes_results_lazily && !take_results()) return std::nullopt;
        for (position_ = 0; position_ < of_.end_; ++position_) {
          // What ran out of turn, as a part of a recomputation, has nothing left to do.
          if (ledger_.has_run(position_)) continue;
          if (!ensure(of_.needs_[position_], 0) || !run(position_)) return std::nullopt;
        }
        if (!ensure({of_.program_.results().begin(), of_.program_.results().end()}, 0)) {
          return std::nullopt;
        }
        drop_what_is_left();
        check_end(of_.program_, ledger_);
      } catch (const InvalidSchedule&) {
        // Something was needed that nothing makes again.
        return std::nullopt;
      }
      return std::move(schedule_);
    }

   private:
    static constexpr std::uint32_t none = 0xFFFFFFFFU;
    static constexpr int deepest = 500;
    // Each for what it stands beside, in the unit of OnDemandLimit.
    static constexpr std::uint64_t work_of_score = 2;
    static constexpr std::uint64_t work_of_run = 128;
    static constexpr double infinity = std::numeric_limits<double>::infinity();

    [[nodiscard]] bool take_results() {
      for (operation_id op = 0; op < of_.end_; ++op) {
        if (!of_.program_.operations()[op].repeatable) return false;
      }
      return std::ranges::all_of(of_.program_.results(),
                                 [this](value_id result) { return ensure({result}, 0); });
    }

    void set_pending(operation_id op, bool is_pending) {
      if (!pending_.set(op, is_pending)) return;
      for (const value_id needed : of_.needs_[op]) {
        const value_id storage = of_.storages_[needed];
        if (is_pending) {
          next_[storage] = std::min(next_[storage], op);
        } else if (next_[storage] == op) {
          next_[storage] = next_reader(storage, op);
        }
      }
    }
    [[nodiscard]] operation_id next_reader(value_id storage, operation_id after) const {
      const std::vector<operation_id>& readers = of_.readers_of_storage_[storage];
      auto reader = std::ranges::upper_bound(readers, after);
      while (reader != readers.end() && !pending_.contains(*reader)) ++reader;
      return reader == readers.end() ? none : *reader;
    }

    [[nodiscard]] bool is_there(value_id value) const {
      return of_.program_.is_given(value) || ledger_.is_present(value);
    }

    [[nodiscard]] bool ensure(const std::vector<value_id>& values, int depth) {
      if (depth > deepest) return false;
      lock(values, 1);
      while (true) {
        const Makers makers = makers_of_absent(values);
        if (makers.empty()) break;
        for (const operation_id op : makers) set_pending(op, true);
        for (const operation_id op : makers) {
          if (!makes_something(op)) {
            set_pending(op, false);
            continue;
          }
          if (!ensure(of_.needs_[op], depth + 1) || !run(op)) return false;
        }
      }
      lock(values, -1);
      return true;
    }

    // Back to what is there, in program order.
    [[nodiscard]] Makers makers_of_absent(const std::vector<value_id>& values) {
      ++visit_;
      Makers makers;
      const auto visit = [&](const std::vector<value_id>& needed) {
        for (const value_id value : needed) {
          if (is_there(value)) continue;
          const operation_id maker = of_.program_.maker(value);
          if (std::exchange(visited_[maker], visit_) != visit_) makers.push_back(maker);
        }
        limit_.spend(1 + needed.size());
      };
      visit(values);
      for (std::size_t next = 0; next != makers.size();) visit(of_.needs_[makers[next++]]);
      std::ranges::sort(makers);
      return makers;
    }

    [[nodiscard]] bool makes_something(operation_id op) const {
      return std::ranges::any_of(of_.program_.operations()[op].writes,
                                 [this](value_id written) { return !ledger_.is_present(written); });
    }

    void lock(const std::vector<value_id>& values, int change) {
      for (const value_id value : values) locks_[of_.storages_[value]] += change;
    }

    [[nodiscard]] bool run(operation_id op) {
      if (++runs_[op] > most_runs_) {
        ++limit_.tally.by_runs;
        return false;
      }
      if (ledger_.has_run(op)) cost_ += of_.program_.operations()[op].cost;
      if (cost_ >= most_cost_) return false;
      limit_.spend(work_of_run);
      const std::vector<value_id>& needs = of_.needs_[op];
      lock(needs, 1);
      operands_ = &needs;
      const Action action = Action::run(op);
      byte_count during = ledger_.bytes_during(action);
      while (during > budget_) {
        if (!evict_one()) return false;
        during = ledger_.bytes_during(action);
      }
      ledger_.apply(action, during);
      schedule_.actions.push_back(action);
      lock(needs, -1);
      set_pending(op, false);
      for (const value_id written : of_.program_.operations()[op].writes) {
        note(of_.storages_[written]);
      }
      return true;
    }

    void note(value_id storage) {
      if (slots_[storage] != none) return;
      slots_[storage] = static_cast<std::uint32_t>(live_.size());
      live_.push_back(storage);
    }
    void forget(value_id storage) {
      const std::uint32_t slot = std::exchange(slots_[storage], none);
      if (slot + 1 != live_.size()) {
        live_[slot] = live_.back();
        slots_[live_[slot]] = slot;
      }
      live_.pop_back();
    }

    // What outer recomputations wait with goes last: it is made again after what was needed first.
    [[nodiscard]] bool evict_one() {
      limit_.spend(work_of_score * live_.size());
      double least = infinity;
      value_id victim = none;
      for (const value_id storage : live_) {
        if (locks_[storage] != 0) continue;
        const double score = score_of(storage);
        if (score > least || (score == least && storage > victim) || !can_go(storage)) continue;
        least = score;
        victim = storage;
      }
      if (victim == none) victim = cheapest_that_waits();
      if (victim == none) {
        ++limit_.tally.by_bytes;
        return false;
      }
      drop_all_of(victim);
      return true;
    }

    [[nodiscard]] value_id cheapest_that_waits() {
      double least = infinity;
      value_id victim = none;
      for (const value_id storage : live_) {
        if (locks_[storage] == 0 || is_operand(storage) || !can_go(storage)) continue;
        const double cost = std::ldexp(cost_of_return(storage), given_up_[storage]);
        if (cost > least || (cost == least && storage > victim)) continue;
        least = cost;
        victim = storage;
      }
      // Or the same two would give way to each other in turn.
      if (victim != none) given_up_[victim] += 2;
      return victim;
    }
    [[nodiscard]] bool is_operand(value_id storage) const {
      return std::ranges::any_of(
          *operands_, [&](value_id operand) { return of_.storages_[operand] == storage; });
    }
    // What is there is taken as if it stayed.
    [[nodiscard]] double cost_of_return(value_id storage) {
      std::vector<value_id> gone;
      double cost = 0;
      for (const value_id member : of_.members_[storage]) {
        if (!ledger_.is_present(member)) continue;
        const operation_id maker = of_.program_.maker(member);
        cost += of_.program_.operations()[maker].cost;
        gone.insert(gone.end(), of_.needs_[maker].begin(), of_.needs_[maker].end());
      }
      if (gone.empty()) return infinity;
      for (const operation_id op : makers_of_absent(gone)) {
        cost += of_.program_.operations()[op].cost;
      }
      return cost;
    }

    void drop_all_of(value_id storage) {
      for (const value_id member : of_.members_[storage]) {
        if (!ledger_.is_present(member)) continue;
        ledger_.apply(Action::drop(member));
        schedule_.actions.push_back(Action::drop(member));
      }
      forget(storage);
    }

    [[nodiscard]] bool can_go(value_id storage) const {
      return std::ranges::all_of(of_.members_[storage], [this](value_id member) {
        if (!ledger_.is_present(member)) return true;
        if (of_.program_.values()[member].stays) return false;
        const bool can_return = of_.repeatability_.may_run_again(of_.program_.maker(member));
        return can_return || of_.last_need_[member] < position_;
      });
    }

    [[nodiscard]] double weight_of(value_id storage) const {
      double level = 1;
      for (const value_id member : of_.members_[storage]) {
        level = std::max(level, of_.levels_[member]);
      }
      const auto bytes = std::max(1.0, static_cast<double>(of_.program_.values()[storage].bytes));
      return std::pow(level, rule_.level_power) / std::pow(bytes, rule_.bytes_power);
    }

    [[nodiscard]] double score_of(value_id storage) const {
      const operation_id next = next_[storage];
      if (next == none) return 0;
      const double score = weights_[storage] / (1.0 + pending_.count_before(next));
      const bool is_pending = std::ranges::any_of(of_.members_[storage], [this](value_id member) {
        return pending_.contains(of_.program_.maker(member)) && ledger_.is_present(member);
      });
      return is_pending ? score * 1e15 : score;
    }

    void drop_what_is_left() {
      std::vector<std::uint8_t> is_result(of_.storages_.size(), 0);
      for (const value_id result : of_.program_.results()) is_result[result] = 1;
      for (value_id v = 0; v < is_result.size(); ++v) {
        if (is_result[v] != 0 || of_.program_.is_given(v) || of_.program_.values()[v].stays) {
          continue;
        }
        if (!ledger_.is_present(v)) continue;
        ledger_.apply(Action::drop(v));
        schedule_.actions.push_back(Action::drop(v));
      }
    }

    const OnDemandPlayer& of_;
    OnDemandLimit& limit_;
    byte_count budget_;
    OnDemandRule rule_;
    std::uint32_t most_runs_;
    double most_cost_;
    Ledger ledger_;
    Schedule schedule_;
    operation_id position_ = 0;
    double cost_ = 0;  ///< of what was recomputed
    std::vector<std::uint32_t> runs_;
    on_demand::PendingOperations pending_;  ///< of the program, and the end
    std::vector<std::uint64_t> visited_;    ///< operation -> the last visit that met it
    std::uint64_t visit_ = 0;
    std::vector<int> locks_;                           ///< of each storage
    const std::vector<value_id>* operands_ = nullptr;  ///< of what is run
    std::vector<int> given_up_;       ///< of each storage: how often while something waited for it
    std::vector<operation_id> next_;  ///< storage -> the first pending one that needs it
    std::vector<double> weights_;     ///< storage -> its score times its distance
    std::vector<value_id> live_;      ///< storages, some of which may be gone
    std::vector<std::uint32_t> slots_;  ///< storage -> its place in that
  };

  /// What must be present: what it reads, and what it adds to and does not make.
  [[nodiscard]] std::vector<value_id> needs_of(operation_id op) const {
    const Operation& o = program_.operations()[op];
    std::vector<value_id> values = o.reads;
    for (const value_id part : o.accumulates) {
      if (program_.maker(part) != op) values.push_back(part);
    }
    return values;
  }

  void list_reader(value_id value, operation_id op) {
    for (std::vector<operation_id>* readers :
         {&readers_[value], &readers_of_storage_[storages_[value]]}) {
      if (readers->empty() || readers->back() != op) readers->push_back(op);
    }
  }

  // The last operation of the program that may need a value, be it to recompute something for it.
  void find_last_needs() {
    last_need_.assign(storages_.size(), 0);
    for (operation_id op = end_; op-- > 0;) {
      operation_id need = op;
      if (repeatability_.may_run_again(op)) {
        for (const value_id written : program_.operations()[op].writes) {
          need = std::max(need, own_need(written));
        }
      }
      for (const value_id read : needs_[op]) last_need_[read] = std::max(last_need_[read], need);
    }
    for (value_id v = 0; v < last_need_.size(); ++v) last_need_[v] = own_need(v);
  }
  [[nodiscard]] operation_id own_need(value_id value) const {
    const operation_id last = readers_[value].empty() ? 0 : readers_[value].back();
    return std::max(last, last_need_[value]);
  }

  void find_levels() {
    levels_.assign(storages_.size(), 1);
    const operation_id fullest = program_.has_loss() ? program_.loss() : fullest_operation();
    for (value_id v = 0; v < levels_.size(); ++v) {
      if (program_.is_given(v)) continue;
      const auto after = std::ranges::upper_bound(readers_[v], fullest);
      if (after == readers_[v].begin()) continue;
      const operation_id made = program_.maker(v);
      const operation_id last = *std::prev(after);
      // The highest bit in which they differ is that of a multiple between them.
      if (last > made) levels_[v] = static_cast<double>(std::bit_floor(made ^ last));
    }
  }
  // The operation at which most is live if each runs once.
  [[nodiscard]] operation_id fullest_operation() const {
    std::vector<double> change(end_ + std::size_t{2}, 0);
    for (value_id v = 0; v < storages_.size(); ++v) {
      if (program_.is_given(v) || program_.values()[v].view_of) continue;
      const operation_id last = readers_[v].empty() ? program_.maker(v) : readers_[v].back();
      change[program_.maker(v)] += static_cast<double>(program_.values()[v].bytes);
      change[last + std::size_t{1}] -= static_cast<double>(program_.values()[v].bytes);
    }
    double live = 0;
    double most = 0;
    operation_id fullest = 0;
    for (operation_id op = 0; op < end_; ++op) {
      live += change[op];
      if (live <= most) continue;
      most = live;
      fullest = op;
    }
    return fullest;
  }

  const Program& program_;
  Repeatability repeatability_;
  std::vector<value_id> storages_;
  std::vector<std::vector<value_id>> members_;      ///< storage -> what shares its bytes
  std::vector<std::vector<value_id>> needs_;        ///< operation -> what must be present
  std::vector<std::vector<operation_id>> readers_;  ///< value -> what needs it, in order
  std::vector<std::vector<operation_id>> readers_of_storage_;  ///< likewise, of all its members
  std::vector<operation_id> last_need_;
  std::vector<double> levels_;
  operation_id end_;
};

}  // namespace reprise::inline v0
