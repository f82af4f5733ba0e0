// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A plan as a set of operations placed at stages, and what it costs and needs.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <limits>
#include <ranges>
#include <reprise/planner/search_watch.hpp>
#include <reprise/planner/staged/placement.hpp>
#include <reprise/planner/staged/small_list.hpp>
#include <reprise/planner/staged/stage_profile.hpp>
#include <reprise/planner/staged/staged_program.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0::staged {

/// Where each operation of a program runs: at first everything at its own stage.
///
/// Within a stage operations run in program order. A value is held from each run of its maker to
/// its last use before the next, so any set of placements in which each use has a run of its maker
/// before it can be executed, and only memory can fail. An operation that nothing read yet may
/// leave its own stage: it is *deferred*. Bytes are the ledger's; where a view outlives a recompute
/// of its source they may be above it within that stage.
///
/// `add` and `remove` cost time linear in the operation's values and the events of their storages,
/// and in the blocks of the stages in between; both are undone by `roll_back`.
class StagedPlan {
 public:
  /// What a storage holds bytes for: from the stage where it is made to its last use.
  struct Span {
    stage_id begin;  ///< the stage where it is made
    stage_id end;    ///< the stage of its last use

    [[nodiscard]] friend constexpr bool operator==(const Span&, const Span&) noexcept = default;
  };

  /// What a plan has to keep to.
  struct Limits {
    double budget = 0;  ///< bytes that may be live at any stage
    /// Bytes that may be live just before the loss; no more than the budget.
    double rest = std::numeric_limits<double>::infinity();
  };

  /// No stage: there is no such use or run.
  static constexpr stage_id never = std::numeric_limits<stage_id>::max();

  /// @param program must outlive this
  /// @param placements reruns, and as (op, op) operations that are deferred. Linear in all of it.
  /// @param watch ends what changes the plan; the plan may only be destroyed then
  StagedPlan(const StagedProgram& program, Limits limits,
             std::span<const Placement> placements = {}, SearchWatch watch = {})
      : program_(&program),
        limits_{.budget = std::min(limits.budget, program.total_bytes()),
                .rest = std::min({limits.rest, limits.budget, program.total_bytes()})},
        forced_bytes_(4 * program.total_bytes() + 1),
        runs_(program.operation_count()),
        moved_(program.value_count(), 0),
        bound_(program.has_views() ? program.value_count() : 0),
        spans_(program.value_count()),
        operations_(program.stage_count()),
        profile_(program.stage_count()),
        local_(program.stage_count(), 0),
        is_dirty_(program.stage_count(), 0),
        watch_(watch) {
    place(placements);
  }

  /// Starts again from other placements, in the memory that is there. Linear in all of it.
  void reset(std::span<const Placement> placements) {
    for (Runs& runs : runs_) runs.clear();
    for (Operations& operations : operations_) operations.clear();
    std::ranges::fill(moved_, 0);
    moved_count_ = 0;
    cost_ = 0;
    place(placements);
  }

  /// True if placements are ones of this program with which it can run: for a list that was not
  /// made here. Linear in both.
  [[nodiscard]] static bool can_run(const StagedProgram& program,
                                    std::span<const Placement> placements) {
    std::vector<std::size_t> runs(program.operation_count(), 1);
    for (const Placement& p : placements) {
      if (p.op >= program.operation_count() || p.stage >= program.stage_count()) return false;
      if (p.stage < p.op || !program.step(p.op).is_repeatable) return false;
      runs[p.op] += p.stage == p.op ? std::size_t(-1) : 1;
    }
    for (operation_id op = 0; op < program.operation_count(); ++op) {
      if (runs[op] == 0 || (runs[op] > 1 && program.runs_once(op))) return false;
    }
    const StagedPlan plan(program, {}, placements);
    for (stage_id stage = 0; stage < program.stage_count(); ++stage) {
      for (const operation_id op : plan.operations(stage)) {
        for (const value_id read : program.reads(op)) {
          if (!plan.has_for_run(read, op, stage)) return false;
        }
      }
    }
    return true;
  }

  /// What is placed.
  [[nodiscard]] const StagedProgram& program() const noexcept { return *program_; }
  /// Lets another watch end its changes.
  void watch_by(SearchWatch watch) noexcept { watch_ = watch; }
  /// What ends its changes.
  [[nodiscard]] const SearchWatch& watch() const noexcept { return watch_; }
  /// What the plan has to keep to.
  [[nodiscard]] const Limits& limits() const noexcept { return limits_; }
  /// The cost of all runs after each operation's first.
  [[nodiscard]] double cost() const noexcept { return cost_; }
  /// Bytes of each stage less the budget, once `settle` was called.
  [[nodiscard]] const StageProfile& profile() const noexcept { return profile_; }
  /// True if no stage is over its limit, once `settle` was called.
  [[nodiscard]] bool fits() const noexcept { return profile_.violated_count() == 0; }

  /// The stages where an operation runs, in order.
  [[nodiscard]] std::span<const stage_id> runs(operation_id op) const noexcept { return runs_[op]; }
  /// The operations that run at a stage, in order.
  [[nodiscard]] std::span<const operation_id> operations(stage_id stage) const noexcept {
    return operations_[stage];
  }
  /// Whether an operation runs at a stage. Logarithmic in its runs.
  [[nodiscard]] bool contains(operation_id op, stage_id stage) const noexcept {
    return std::ranges::binary_search(runs_[op], stage);
  }
  /// The number of the last run of an operation at or before a stage, or -1.
  [[nodiscard]] std::ptrdiff_t run_before(operation_id op, stage_id stage) const noexcept {
    return std::ranges::upper_bound(runs_[op], stage) - runs_[op].begin() - 1;
  }
  /// The stage of the first use of a value in [first, last), or `never`.
  [[nodiscard]] stage_id first_use(value_id value, stage_id first, stage_id last) const noexcept {
    if (moved_[value] != 0) {
      const Uses& uses = moved_uses_[moved_[value] - 1];
      const std::size_t use = first_from(uses, first, &Use::stage);
      return use < uses.size() && uses[use].stage < last ? uses[use].stage : never;
    }
    const std::span<const operation_id> readers = program_->readers(value);
    const std::size_t reader = first_from(readers, first, std::identity{});
    if (reader < readers.size()) return readers[reader] < last ? readers[reader] : never;
    return program_->is_needed_at_end(value) && program_->end() < last ? program_->end() : never;
  }
  /// The stage of the last use of a value in [first, last), or `never`.
  [[nodiscard]] stage_id last_use(value_id value, stage_id first, stage_id last) const noexcept {
    stage_id found = never;
    if (moved_[value] != 0) {
      const Uses& uses = moved_uses_[moved_[value] - 1];
      const std::size_t after = first_from(uses, last, &Use::stage);
      if (after > 0) found = uses[after - 1].stage;
    } else if (program_->is_needed_at_end(value) && program_->end() < last) {
      found = program_->end();
    } else {
      const std::span<const operation_id> readers = program_->readers(value);
      const std::size_t after = first_from(readers, last, std::identity{});
      if (after > 0) found = readers[after - 1];
    }
    return found != never && found >= first ? found : never;
  }
  /// When a storage is there.
  [[nodiscard]] std::span<const Span> spans(value_id storage) const noexcept {
    return spans_[storage];
  }
  /// The span that a value made by the run with that number shares.
  [[nodiscard]] const Span& span_of(value_id value, std::size_t run) const noexcept {
    const value_id storage = program_->storage(value);
    if (program_->stays(value)) run = 0;
    return spans_[storage][storage == value ? run : bound_[value][run]];
  }

  /// Runs an operation at a stage too. It must not run there yet.
  void add(operation_id op, stage_id stage) {
    log_.push_back({.placement = {op, stage}, .is_added = true});
    apply({op, stage}, true);
  }
  /// Takes a run away; another one is left.
  void remove(operation_id op, stage_id stage) {
    log_.push_back({.placement = {op, stage}, .is_added = false});
    apply({op, stage}, false);
  }

  /// Works out the bytes of stages that changed. Linear in what runs there.
  void settle() {
    for (const stage_id stage : dirty_) {
      is_dirty_[stage] = 0;
      const double local = local_bytes(stage);
      if (local == local_[stage]) continue;
      settled_log_.emplace_back(stage, local_[stage]);
      set_local(stage, local);
    }
    dirty_.clear();
  }

  /// What was added and removed since the last `commit`.
  struct Change {
    Placement placement;  ///< what came or went
    bool is_added;        ///< it came; if not, it went
  };
  /// In the order in which it was done.
  [[nodiscard]] std::span<const Change> changes() const noexcept { return log_; }
  /// Makes what was added and removed final; `roll_back` comes back to here.
  void commit() noexcept {
    log_.clear();
    settled_log_.clear();
    committed_cost_ = cost_;
  }
  /// Goes back to the last `commit`.
  void roll_back() {
    for (std::size_t i = settled_log_.size(); i-- > 0;) {
      set_local(settled_log_[i].first, settled_log_[i].second);
    }
    for (std::size_t i = log_.size(); i-- > 0;) apply(log_[i].placement, !log_[i].is_added);
    for (const stage_id stage : dirty_) is_dirty_[stage] = 0;
    dirty_.clear();
    log_.clear();
    settled_log_.clear();
    cost_ = committed_cost_;
  }

  /// True if nothing uses what a run makes.
  [[nodiscard]] bool is_useless(operation_id op, std::size_t run) const noexcept {
    const stage_id begin = runs_[op][run];
    const stage_id end = next_run(op, run);
    return std::ranges::none_of(program_->writes(op), [&](value_id written) {
      return makes(written, run) && first_use(written, begin, end) != never;
    });
  }
  /// The stage of an operation's run after that one, or `never`.
  [[nodiscard]] stage_id next_run(operation_id op, std::size_t run) const noexcept {
    return run + 1 < runs_[op].size() ? runs_[op][run + 1] : never;
  }
  /// The stage where a value that the run with that number left is made anew, or `never`.
  [[nodiscard]] stage_id next_making(value_id value, std::size_t run) const noexcept {
    return program_->stays(value) ? never : next_run(program_->maker(value), run);
  }

  /// The place in a stage of the operation during which most is live. Linear in what runs there.
  [[nodiscard]] std::size_t widest(stage_id stage) const {
    std::size_t widest = 0;
    static_cast<void>(local_bytes(stage, &widest));
    return widest;
  }

  /// All reruns, and as (op, op) all deferred operations, in order.
  [[nodiscard]] std::vector<Placement> placements() const {
    std::vector<Placement> list;
    for (operation_id op = 0; op < program_->operation_count(); ++op) {
      if (runs_[op].front() != op) list.push_back({op, op});
      for (const stage_id stage : runs_[op]) {
        if (stage != op) list.push_back({op, stage});
      }
    }
    return list;
  }
  /// True if the run leaves out the outputs that nobody reads.
  [[nodiscard]] bool skips_output(operation_id op, std::size_t run) const noexcept {
    if (run == 0 || !program_->step(op).can_skip_output) return false;
    const stage_id begin = runs_[op][run];
    const stage_id end = next_run(op, run);
    bool makes_other = false;
    for (const value_id written : program_->writes(op)) {
      const bool is_used = makes(written, run) && first_use(written, begin, end) != never;
      const bool is_output = program_->program().values()[written].kind == ValueKind::output;
      if (is_used && is_output) return false;
      makes_other = makes_other || is_used;
    }
    return makes_other;
  }

 private:
  // What stays is made by the first run alone.
  [[nodiscard]] bool makes(value_id written, std::size_t run) const noexcept {
    return run == 0 || !program_->stays(written);
  }

  // What somebody takes over must be recomputed for each rerun that reads it.
  [[nodiscard]] bool has_for_run(value_id read, operation_id op, stage_id stage) const noexcept {
    const operation_id maker = program_->maker(read);
    const bool is_alone = stage != op && program_->is_taken_over(read);
    return is_alone ? contains(maker, stage) : run_before(maker, stage) >= 0;
  }

  struct Use {
    stage_id stage;
    std::uint32_t count;
  };

  // Nearly all of them are so short.
  using Runs = SmallList<stage_id, 2>;
  using Operations = SmallList<operation_id, 2>;
  using Spans = SmallList<Span, 2>;
  using Uses = SmallList<Use, 6>;

  // The first use at or after a stage. Most values have few, which are faster gone through.
  template <std::ranges::random_access_range R, class P>
  [[nodiscard]] static std::size_t first_from(const R& uses, stage_id stage, P stage_of) noexcept {
    constexpr std::size_t few = 16;
    if (uses.size() > few) {
      const auto place = std::ranges::lower_bound(uses, stage, {}, stage_of);
      return static_cast<std::size_t>(place - std::ranges::begin(uses));
    }
    std::size_t place = 0;
    while (place < uses.size() && std::invoke(stage_of, uses[place]) < stage) ++place;
    return place;
  }
  // The stages at which a value is used, in order.
  template <std::invocable<stage_id> F>
  void for_each_use(value_id value, F use) const {
    if (moved_[value] != 0) {
      for (const Use& one : moved_uses_[moved_[value] - 1]) use(one.stage);
      return;
    }
    for (const operation_id reader : program_->readers(value)) use(reader);
    if (program_->is_needed_at_end(value)) use(program_->end());
  }
  /// What a stage does to one storage while its bytes are worked out.
  struct Touch {
    std::uint64_t visit = 0;
    std::uint32_t last_of_old = never;  ///< number of the last operation that touches an older span
    std::uint32_t last_of_new = never;  ///< the same of the span that begins here
    std::uint32_t ending = 0;           ///< older spans that end here
    bool ends_at_once = false;          ///< the span that begins here ends here
  };

  void place(std::span<const Placement> placements) {
    list_runs(placements);
    list_uses(placements);
    raise_profile();
    commit();
  }

  void list_runs(std::span<const Placement> placements) {
    for (operation_id op = 0; op < program_->operation_count(); ++op) runs_[op].push_back(op);
    for (const Placement& p : placements) {
      Runs& runs = runs_[p.op];
      if (p.op == p.stage) {
        const stage_id* const own = std::ranges::find(runs, p.op);
        if (own != runs.end()) runs.erase(own);
      } else {
        runs.push_back(p.stage);
      }
    }
    for (operation_id op = 0; op < program_->operation_count(); ++op) {
      Runs& runs = runs_[op];
      watch_.spend(16 + 8 * runs.size());
      if (runs.size() > 1) std::ranges::sort(runs);
      for (const stage_id stage : runs) operations_[stage].push_back(op);
      cost_ += static_cast<double>(runs.size() - 1) * program_->step(op).cost;
    }
  }

  [[nodiscard]] bool runs_as_given(operation_id op) const noexcept {
    return runs_[op].size() == 1 && runs_[op].front() == op;
  }

  // Of what operations read that run elsewhere too, or not where the program has them.
  void list_uses(std::span<const Placement> placements) {
    for (const Placement& p : placements) {
      watch_.spend(2 * program_->reads(p.op).size());
      for (const value_id read : program_->reads(p.op)) {
        if (moved_[read] == 0) list_uses(read);
      }
    }
  }
  void list_uses(value_id value) {
    const std::span<const operation_id> readers = program_->readers(value);
    watch_.spend(8 + 4 * readers.size());
    Uses& uses = new_uses(value, readers.size() + 1);
    added_.clear();
    for (const operation_id reader : readers) {
      if (runs_as_given(reader)) {
        uses.push_back({reader, 1});
        continue;
      }
      for (const stage_id stage : runs_[reader]) added_.push_back(stage);
    }
    std::ranges::sort(added_);
    merge_uses(uses);
    if (program_->is_needed_at_end(value)) uses.push_back({program_->end(), 1});
  }
  // Adds what was added to a list in which each stage stands once.
  void merge_uses(Uses& uses) {
    if (added_.empty()) return;
    merged_.clear();
    auto use = uses.begin();
    for (const stage_id stage : added_) {
      while (use != uses.end() && use->stage <= stage) merged_.push_back(*use++);
      if (!merged_.empty() && merged_.back().stage == stage) {
        ++merged_.back().count;
      } else {
        merged_.push_back({stage, 1});
      }
    }
    merged_.insert(merged_.end(), use, uses.end());
    uses.assign(merged_);
  }

  // A list of its own for a value whose uses are not those of the program any more.
  Uses& new_uses(value_id value, std::size_t expected) {
    if (moved_count_ == moved_uses_.size()) moved_uses_.emplace_back();
    moved_[value] = ++moved_count_;
    Uses& uses = moved_uses_[moved_count_ - 1];
    uses.clear();
    uses.reserve(expected);
    return uses;
  }
  [[nodiscard]] Uses& uses_to_change(value_id value) {
    if (moved_[value] != 0) return moved_uses_[moved_[value] - 1];
    const std::span<const operation_id> readers = program_->readers(value);
    watch_.spend(readers.size());
    Uses& uses = new_uses(value, readers.size() + 2);
    for (const operation_id reader : readers) uses.push_back({reader, 1});
    if (program_->is_needed_at_end(value)) uses.push_back({program_->end(), 1});
    return uses;
  }

  // The profile from nothing: the differences from stage to stage, and then their sums.
  void raise_profile() {
    std::vector<double> heights(program_->stage_count() + 1, 0);
    ending_.assign(program_->stage_count() + 1, 0);
    heights[0] = program_->constant_bytes() - limits_.budget;
    const stage_id loss = program_->program().loss();
    for (value_id storage = 0; storage < program_->value_count(); ++storage) {
      watch_.spend(16);
      fresh_.clear();
      for (const value_id member : program_->members(storage)) bind(member, storage);
      spans_[storage].assign(fresh_);
      for (const Span& span : fresh_) {
        if (must_recompute_across_loss(storage, span)) {
          heights[loss] += forced_bytes_;
          heights[loss + 1] -= forced_bytes_;
        }
        if (span.end > span.begin && span.end < program_->stage_count()) {
          ending_[span.end] += program_->storage_bytes(storage);
        }
        if (span.end <= span.begin + 1) continue;
        heights[span.begin + 1] += program_->storage_bytes(storage);
        heights[span.end] -= program_->storage_bytes(storage);
      }
    }
    for (stage_id stage = 1; stage < program_->stage_count(); ++stage) {
      heights[stage] += heights[stage - 1];
    }
    for (stage_id stage = 0; stage < program_->stage_count(); ++stage) {
      local_[stage] = first_local_bytes(stage);
      heights[stage] += local_[stage];
      is_dirty_[stage] = 0;
    }
    dirty_.clear();
    heights.pop_back();
    profile_ = StageProfile(std::move(heights));
  }

  // The same as `local_bytes`, once all spans that end at a stage are summed up: where one
  // operation runs and takes nothing over, it is not worth while to ask which.
  [[nodiscard]] double first_local_bytes(stage_id stage) const {
    const Operations& operations = operations_[stage];
    if (operations.size() != 1 || !program_->consumes(operations.front()).empty()) {
      return local_bytes(stage);
    }
    const operation_id op = operations.front();
    const double live = ending_[stage];
    double most = std::max(0.0, live + bytes_of_run(op, stage, 0));
    if (op == program_->program().loss()) {
      most = std::max(most, live + limits_.budget - limits_.rest);
    }
    return most;
  }

  void apply(Placement placement, bool is_added) {
    const auto [op, stage] = placement;
    if (is_added) {
      insert(runs_[op], stage);
      insert(operations_[stage], op);
    } else {
      erase(runs_[op], stage);
      erase(operations_[stage], op);
    }
    const double cost = program_->step(op).cost;
    cost_ += is_added ? cost : -cost;
    mark_dirty(stage);
    // Which run is the first decides which may skip outputs.
    if (program_->step(op).can_skip_output && stage < runs_[op].front()) {
      mark_dirty(runs_[op].front());
    } else if (program_->step(op).can_skip_output && runs_[op].front() == stage &&
               runs_[op].size() > 1) {
      mark_dirty(runs_[op][1]);
    }
    stale_.clear();
    stale_in_.resize(program_->value_count(), 0);
    ++stale_round_;
    watch_.spend(16 + 8 * program_->reads(op).size());
    for (const value_id read : program_->reads(op)) {
      if (!(is_added ? add_use(read, stage) : remove_use(read, stage))) continue;
      const value_id storage = program_->storage(read);
      if (program_->members(storage).size() == 1 && !program_->stays(storage)) {
        refresh_use(storage, stage);
      } else {
        note_stale(storage);
      }
    }
    for (const value_id written : program_->writes(op)) note_stale(program_->storage(written));
    for (const value_id storage : stale_) refresh(storage);
  }

  template <class List>
  static void insert(List& sorted, std::uint32_t item) {
    sorted.insert(std::ranges::lower_bound(sorted, item), item);
  }
  template <class List>
  static void erase(List& sorted, std::uint32_t item) {
    sorted.erase(std::ranges::lower_bound(sorted, item));
  }

  /// @returns true if the value had no use there
  bool add_use(value_id value, stage_id stage) {
    Uses& uses = uses_to_change(value);
    Use* const place = std::ranges::lower_bound(uses, stage, {}, &Use::stage);
    if (place != uses.end() && place->stage == stage) {
      ++place->count;
      return false;
    }
    uses.insert(place, {stage, 1});
    return true;
  }
  /// @returns true if the value has no use there any more
  bool remove_use(value_id value, stage_id stage) {
    Uses& uses = uses_to_change(value);
    Use* const place = std::ranges::lower_bound(uses, stage, {}, &Use::stage);
    if (--place->count > 0) return false;
    uses.erase(place);
    return true;
  }

  void note_stale(value_id storage) {
    if (std::exchange(stale_in_[storage], stale_round_) != stale_round_) stale_.push_back(storage);
  }

  void mark_dirty(stage_id stage) {
    if (stage >= program_->stage_count() || is_dirty_[stage] != 0) return;
    is_dirty_[stage] = 1;
    dirty_.push_back(stage);
  }

  void set_local(stage_id stage, double local) {
    profile_.add(stage, local - local_[stage]);
    local_[stage] = local;
  }

  // The same as `refresh` where one value has the storage to itself and a use of it came or went.
  void refresh_use(value_id storage, stage_id stage) {
    const operation_id maker = program_->maker(storage);
    const auto run =
        static_cast<std::size_t>(std::max<std::ptrdiff_t>(run_before(maker, stage), 0));
    const stage_id begin = runs_[maker][run];
    const stage_id last = last_use(storage, run == 0 ? 0 : begin, next_run(maker, run));
    const stage_id end = last == never ? begin : std::max(last, begin);
    Span& span = spans_[storage][run];
    stretch(storage, span, end);
    span.end = end;
  }

  // Works out the spans of a storage anew and changes the profile by what is different.
  void refresh(value_id storage) {
    fresh_.clear();
    const std::span<const value_id> members = program_->members(storage);
    for (const value_id member : members) bind(member, storage);
    exchange_spans(storage);
  }

  // Each run of a value's maker binds it to a span, which lasts to its last use at least.
  void bind(value_id value, value_id storage) {
    const Runs& runs = runs_[program_->maker(value)];
    const bool is_owner = value == storage;
    if (!is_owner) rebind(value, runs);
    watch_.spend(4 * runs.size());
    if (runs.size() == 1) {
      const stage_id last = last_use(value, 0, never);
      return bind(value, is_owner, 0, last == never ? runs[0] : std::max(last, runs[0]));
    }
    std::size_t run = 0;
    stage_id last = runs[0];
    for_each_use(value, [&](stage_id stage) {
      watch_.spend(1);
      for (; run + 1 < runs.size() && stage >= runs[run + 1]; last = runs[++run]) {
        bind(value, is_owner, run, last);
      }
      last = stage;
    });
    for (; run < runs.size(); last = ++run < runs.size() ? runs[run] : last) {
      bind(value, is_owner, run, last);
    }
  }
  void bind(value_id value, bool is_owner, std::size_t run, stage_id last) {
    const stage_id begin = runs_[program_->maker(value)][run];
    if (is_owner && makes(value, run)) {
      fresh_.push_back({begin, std::max(last, begin)});
    } else {
      Span& span = fresh_[is_owner ? 0 : bound_[value][run]];
      span.end = std::max(span.end, last);
    }
  }

  void rebind(value_id view, const Runs& runs) {
    const value_id source = *program_->program().values()[view].view_of;
    const operation_id source_maker = program_->maker(source);
    next_bound_.clear();
    for (stage_id stage : runs) {
      if (program_->stays(view)) stage = runs.front();
      const std::ptrdiff_t run = std::max<std::ptrdiff_t>(run_before(source_maker, stage), 0);
      const auto number = static_cast<std::uint32_t>(program_->stays(source) ? 0 : run);
      next_bound_.push_back(program_->storage(source) == source ? number : bound_[source][number]);
    }
    if (std::ranges::equal(next_bound_, bound_[view])) return;
    bound_[view].assign(next_bound_);
    for (const stage_id stage : runs) mark_dirty(stage);
    for_each_use(view, [this](stage_id stage) { mark_dirty(stage); });
  }

  void exchange_spans(value_id storage) {
    Spans& spans = spans_[storage];
    if (std::ranges::equal(fresh_, spans)) return;
    std::size_t old = 0;
    for (const Span& span : fresh_) {
      while (old < spans.size() && spans[old].begin < span.begin) lose(storage, spans[old++]);
      if (old < spans.size() && spans[old].begin == span.begin) {
        stretch(storage, spans[old++], span.end);
      } else {
        gain(storage, span);
      }
    }
    while (old < spans.size()) lose(storage, spans[old++]);
    spans.assign(fresh_);
  }

  void gain(value_id storage, const Span& span) {
    mark_dirty(span.begin);
    mark_dirty(span.end);
    add_bytes(storage, span, 1);
  }
  void lose(value_id storage, const Span& span) {
    mark_dirty(span.begin);
    mark_dirty(span.end);
    add_bytes(storage, span, -1);
  }
  void stretch(value_id storage, const Span& span, stage_id end) {
    if (span.end == end) return;
    mark_dirty(span.begin);
    mark_dirty(span.end);
    mark_dirty(end);
    if (program_->is_forced(storage)) {
      add_bytes(storage, span, -1);
      return add_bytes(storage, {span.begin, end}, 1);
    }
    const double bytes = program_->storage_bytes(storage);
    const stage_id from = std::max(span.begin + 1, std::min(span.end, end));
    profile_.add(from, std::max(span.end, end), span.end < end ? bytes : -bytes);
  }

  // Stages inside a span hold its bytes throughout; those at its ends see to it themselves.
  void add_bytes(value_id storage, const Span& span, double sign) {
    const stage_id loss = program_->program().loss();
    if (must_recompute_across_loss(storage, span)) profile_.add(loss, sign * forced_bytes_);
    if (span.end <= span.begin + 1) return;
    profile_.add(span.begin + 1, span.end, sign * program_->storage_bytes(storage));
  }
  [[nodiscard]] bool must_recompute_across_loss(value_id storage, const Span& span) const noexcept {
    const stage_id loss = program_->program().loss();
    // What reruns at the loss's stage does so before the loss.
    return program_->is_forced(storage) && span.begin <= loss && loss < span.end;
  }

  // The most that is live at any moment of a stage, without what is there throughout.
  [[nodiscard]] double local_bytes(stage_id stage, std::size_t* widest = nullptr) const {
    const Operations& operations = operations_[stage];
    touched_.resize(program_->value_count());
    ++visit_;
    double live = 0;
    for (std::uint32_t i = 0; i < operations.size(); ++i) {
      watch_.spend(8 + 8 * program_->reads(operations[i]).size());
      for (const value_id read : program_->reads(operations[i])) live += touch(read, stage, i);
      for (const value_id written : program_->writes(operations[i])) {
        live += touch(written, stage, i);
      }
    }
    double most = 0;
    for (std::uint32_t i = 0; i < operations.size(); ++i) {
      const operation_id op = operations[i];
      if (op == program_->program().loss()) {
        most = std::max(most, live + limits_.budget - limits_.rest);
      }
      const double during = live + bytes_of_run(op, stage, i);
      if (during > most && widest != nullptr) *widest = i;
      most = std::max(most, during);
      live += bytes_left(op, i, runs_[op].front() == stage);
    }
    return most;
  }

  [[nodiscard]] double bytes_of_run(operation_id op, stage_id stage, std::uint32_t index) const {
    const StagedProgram::Step& step = program_->step(op);
    double bytes = step.written_bytes + step.extra_bytes;
    if (step.can_skip_output) {
      const auto run = static_cast<std::size_t>(run_before(op, stage));
      if (skips_output(op, run)) bytes -= step.skippable_bytes;
    }
    for (const value_id consumed : program_->consumes(op)) {
      if (frees(op, consumed, stage, index)) {
        bytes -= program_->storage_bytes(program_->storage(consumed));
      }
    }
    return bytes;
  }

  // Unless a view holds on to the bytes.
  [[nodiscard]] bool frees(operation_id op, value_id consumed, stage_id stage,
                           std::uint32_t index) const {
    const value_id storage = program_->storage(consumed);
    if (program_->storage_bytes(storage) == 0) return false;
    if (program_->members(storage).size() == 1) return true;
    const auto shares = [&](value_id read) { return program_->storage(read) == storage; };
    if (std::ranges::count_if(program_->reads(op), shares) > 1) return false;
    const auto run = static_cast<std::size_t>(run_before(program_->maker(consumed), stage));
    const Span& span = span_of(consumed, run);
    const Touch& touch = touched_[storage];
    const std::uint32_t last = span.begin == stage ? touch.last_of_new : touch.last_of_old;
    return span.end == stage && last == index;
  }

  // Notes which operation of a stage is the last to touch a storage.
  // Returns the bytes of older spans that end here, once.
  [[nodiscard]] double touch(value_id value, stage_id stage, std::uint32_t index) const {
    const value_id storage = program_->storage(value);
    const double bytes = program_->storage_bytes(storage);
    if (bytes == 0) return 0;
    Touch& touch = touched_[storage];
    double ending = 0;
    if (touch.visit != visit_) {
      touch = {.visit = visit_};
      for (const Span& span : spans_[storage]) {
        if (span.begin < stage && span.end == stage) ++touch.ending;
        if (span.begin == stage) touch.ends_at_once = span.end == stage;
      }
      ending = touch.ending * bytes;
    }
    const auto run = static_cast<std::size_t>(run_before(program_->maker(value), stage));
    (span_of(value, run).begin == stage ? touch.last_of_new : touch.last_of_old) = index;
    return ending;
  }

  // By how much more is live after the operation with that number than before it.
  [[nodiscard]] double bytes_left(operation_id op, std::uint32_t index, bool is_first_run) const {
    double change = 0;
    for (const value_id read : program_->reads(op)) change -= bytes_ending(read, index);
    for (const value_id written : program_->writes(op)) {
      const bool is_made = is_first_run || !program_->stays(written);
      if (is_made && program_->storage(written) == written) {
        change += program_->storage_bytes(written);
      }
      change -= bytes_ending(written, index);
    }
    return change;
  }

  // The bytes of a storage's spans that end with the operation with that number, once.
  [[nodiscard]] double bytes_ending(value_id value, std::uint32_t index) const {
    const value_id storage = program_->storage(value);
    const double bytes = program_->storage_bytes(storage);
    if (bytes == 0) return 0;
    Touch& touch = touched_[storage];
    double ending = 0;
    if (touch.last_of_old == index) {
      ending += std::exchange(touch.ending, 0U) * bytes;
    }
    if (touch.last_of_new == index && std::exchange(touch.ends_at_once, false)) ending += bytes;
    return ending;
  }

  const StagedProgram* program_;
  Limits limits_;
  double forced_bytes_;
  std::vector<Runs> runs_;
  // The uses of a value are those of the program, unless what reads it runs elsewhere.
  std::vector<std::uint32_t> moved_;  ///< the number of a value's own list, from 1 on; 0 for none
  std::vector<Uses> moved_uses_;
  std::uint32_t moved_count_ = 0;
  std::vector<SmallList<std::uint32_t, 2>> bound_;  ///< of a view: the span of each run
  std::vector<Spans> spans_;                        ///< of a storage
  std::vector<Operations> operations_;
  StageProfile profile_;
  std::vector<double> local_;
  double cost_ = 0;
  double committed_cost_ = 0;
  std::vector<Change> log_;
  std::vector<std::pair<stage_id, double>> settled_log_;
  std::vector<std::uint8_t> is_dirty_;
  std::vector<stage_id> dirty_;
  std::vector<value_id> stale_;          ///< storages whose spans `apply` has to work out anew
  std::vector<std::uint64_t> stale_in_;  ///< of a storage: the last round that listed it there
  std::uint64_t stale_round_ = 0;
  std::vector<Span> fresh_;
  std::vector<stage_id> added_;
  std::vector<Use> merged_;
  std::vector<double> ending_;  ///< bytes of the spans that end at a stage and began before it
  std::vector<std::uint32_t> next_bound_;
  // Scratch of `local_bytes`; one thread at a time reads a plan.
  mutable std::vector<Touch> touched_;
  mutable std::uint64_t visit_ = 0;
  SearchWatch watch_;
};

}  // namespace reprise::inline v0::staged
