// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A program as planners read it that place every rerun at a stage.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <reprise/core/error.hpp>
#include <reprise/planner/layer_override.hpp>
#include <reprise/planner/layer_values.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/planner/staged/placement.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/repeatability.hpp>
#include <reprise/program/storages.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0::staged {

/// Lists of numbers, one after another in one array.
class FlatLists {
 public:
  /// None yet.
  FlatLists() = default;
  /// As many lists as there are lengths, each to be filled by `put` to its length.
  explicit FlatLists(std::span<const std::uint32_t> lengths) {
    // Where a list is filled next stands where its end will be.
    begins_.reserve(lengths.size() + 1);
    begins_.assign(1, 0);
    std::uint32_t items = 0;
    for (const std::uint32_t length : lengths) {
      begins_.push_back(items);
      items += length;
    }
    items_.resize(items);
  }

  /// Puts the next item into a list of a known length.
  void put(std::size_t list, std::uint32_t item) noexcept { items_[begins_[list + 1]++] = item; }
  /// A list whose items may change.
  [[nodiscard]] std::span<std::uint32_t> items(std::size_t list) noexcept {
    return std::span(items_).subspan(begins_[list], (*this)[list].size());
  }
  /// Asks for memory at once.
  void reserve(std::size_t lists, std::size_t items) {
    begins_.reserve(lists);
    items_.reserve(items);
  }

  /// Opens the next list.
  void open() { begins_.push_back(static_cast<std::uint32_t>(items_.size())); }
  /// Adds to the list that was opened last.
  void add(std::uint32_t item) { items_.push_back(item); }
  /// A list by its number, in the order of `open`; undefined for one that was not opened.
  [[nodiscard]] std::span<const std::uint32_t> operator[](std::size_t list) const noexcept {
    const std::size_t end = list + 1 < begins_.size() ? begins_[list + 1] : items_.size();
    return {items_.data() + begins_[list], end - begins_[list]};
  }

 private:
  std::vector<std::uint32_t> begins_;
  std::vector<std::uint32_t> items_;
};

/// What a planner by stages asks of a program, in flat arrays. Values that are given are left out.
///
/// Values that share bytes are one *storage*, named after the value that owns them; a view of what
/// is given is a storage of no bytes. What a layer that must be saved makes is made once.
class StagedProgram {
 public:
  /// What one operation needs and makes.
  struct Step {
    double cost = 0;               ///< of one run, in the program's unit
    double written_bytes = 0;      ///< of all that it makes
    double skippable_bytes = 0;    ///< of these, what a rerun for its saved state leaves out
    double extra_bytes = 0;        ///< parts of gradients, and the transient
    bool is_repeatable = false;    ///< see `Repeatability`; false in a layer that must be saved
    bool can_skip_output = false;  ///< a rerun may make saved state only
  };

  /// @param program must outlive this
  /// @param overrides of the first layers; the others have none
  /// @throws InvalidArgument if all values and the largest operation are more than 2^53 bytes
  ///   together: stages count in numbers that are whole up to there
  explicit StagedProgram(const Program& program, std::span<const LayerOverride> overrides = {})
      : program_(&program), repeatability_(program), storages_(storages_of(program)) {
    list_members();
    add_steps();
    check_bytes();
    add_readers();
    apply(overrides);
  }

  /// What the arrays are made from.
  [[nodiscard]] const Program& program() const noexcept { return *program_; }
  /// Operations of the program; stage s is the own one of operation s.
  [[nodiscard]] operation_id operation_count() const noexcept {
    return static_cast<operation_id>(steps_.size());
  }
  /// Values of the program, the given ones included.
  [[nodiscard]] value_id value_count() const noexcept {
    return static_cast<value_id>(storages_.size());
  }
  /// One for each operation, and the one after them all.
  [[nodiscard]] stage_id stage_count() const noexcept { return operation_count() + 1; }
  /// Where results and what stays are read: past the last stage.
  [[nodiscard]] stage_id end() const noexcept { return stage_count(); }

  /// What one run of an operation needs and makes.
  [[nodiscard]] const Step& step(operation_id op) const noexcept { return steps_[op]; }
  /// What must be present, gradients that it adds to included, each once.
  [[nodiscard]] std::span<const value_id> reads(operation_id op) const noexcept {
    return reads_[op];
  }
  /// What it makes anew.
  [[nodiscard]] std::span<const value_id> writes(operation_id op) const noexcept {
    return writes_[op];
  }
  /// Values that are gone once it starts.
  [[nodiscard]] std::span<const value_id> consumes(operation_id op) const noexcept {
    return program_->operations()[op].consumes;
  }
  /// Whether a value is among them. Logarithmic in them.
  [[nodiscard]] bool consumes(operation_id op, value_id value) const noexcept {
    return std::ranges::binary_search(consumed_[op], value);
  }
  /// Whether what runs again and reads a value needs it made anew: somebody consumes it.
  [[nodiscard]] bool is_taken_over(value_id value) const noexcept {
    return repeatability_.is_taken_over(value);
  }
  /// The operations that read a value.
  [[nodiscard]] std::span<const operation_id> readers(value_id value) const noexcept {
    return readers_[value];
  }
  /// The operation that makes a value; `no_operation` for what is given.
  [[nodiscard]] operation_id maker(value_id value) const noexcept { return program_->maker(value); }
  /// False for what is given.
  [[nodiscard]] bool is_made(value_id value) const noexcept {
    return maker(value) != Program::no_operation;
  }
  /// The value that owns the bytes; itself if it is no view.
  [[nodiscard]] value_id storage(value_id value) const noexcept { return storages_[value]; }
  /// True if any value shares the bytes of another one that is made.
  [[nodiscard]] bool has_views() const noexcept { return has_views_; }
  /// The values that share a storage, in the order in which they are made.
  [[nodiscard]] std::span<const value_id> members(value_id storage) const noexcept {
    return members_[storage];
  }
  /// Bytes of all values that share it; 0 for what is no storage.
  [[nodiscard]] double storage_bytes(value_id storage) const noexcept { return bytes_[storage]; }
  /// True if an operation may run for the first time later than the program has it.
  [[nodiscard]] bool can_be_deferred(operation_id op) const noexcept {
    return steps_[op].is_repeatable && op != anchor_;
  }
  /// Holds an operation to its own stage, so that a bound found there is one for each plan.
  void anchor(operation_id op) noexcept { anchor_ = op; }
  /// True if it is never dropped, so that a run of its maker makes it only once.
  [[nodiscard]] bool stays(value_id value) const noexcept {
    return program_->values()[value].stays;
  }
  /// True if a second run of an operation makes nothing: all that it makes stays.
  [[nodiscard]] bool runs_once(operation_id op) const noexcept {
    return std::ranges::all_of(writes(op), [this](value_id v) { return stays(v); });
  }
  /// True if it must be there at the end.
  [[nodiscard]] bool is_needed_at_end(value_id value) const noexcept { return at_end_[value] != 0; }
  /// True if a layer that must be recomputed's statistics say that it may not live from forward to
  /// backward.
  [[nodiscard]] bool is_forced(value_id value) const noexcept { return is_forced_[value] != 0; }
  /// True if any layer is must_recompute. Linear in the values.
  [[nodiscard]] bool has_forced() const noexcept {
    return std::ranges::find(is_forced_, 1) != is_forced_.end();
  }
  /// Bytes of the constants, which are live at each stage.
  [[nodiscard]] double constant_bytes() const noexcept { return constant_bytes_; }
  /// The cost of running each operation once.
  [[nodiscard]] double total_cost() const noexcept { return total_cost_; }
  /// No plan needs as much.
  [[nodiscard]] double total_bytes() const noexcept { return total_bytes_; }

 private:
  void list_members() {
    const std::span<const Value> values = program_->values();
    bytes_.assign(values.size(), 0);
    at_end_.assign(values.size(), 0);
    std::vector<std::uint32_t> counts(values.size(), 0);
    for (value_id v = 0; v < values.size(); ++v) {
      at_end_[v] = values[v].stays && is_made(v) ? 1 : 0;
      if (values[v].kind == ValueKind::constant) {
        constant_bytes_ += static_cast<double>(values[v].bytes);
      }
      if (!is_made(v)) continue;
      ++counts[storages_[v]];
      if (storages_[v] != v) has_views_ = true;
      if (!values[v].view_of) bytes_[v] = static_cast<double>(values[v].bytes);
    }
    members_ = FlatLists(counts);
    for (value_id v = 0; v < values.size(); ++v) {
      if (is_made(v)) members_.put(storages_[v], v);
    }
    for (value_id v = 0; v < values.size() && has_views_; ++v) {
      if (counts[v] < 2) continue;
      std::ranges::stable_sort(members_.items(v), {}, [&](value_id m) { return maker(m); });
    }
    for (const value_id result : program_->results()) at_end_[result] = is_made(result) ? 1 : 0;
  }

  void add_steps() {
    total_bytes_ = constant_bytes_;
    reserve_steps();
    std::vector<operation_id> read_by(value_count(), Program::no_operation);
    std::vector<value_id> consumed;
    for (operation_id number = 0; number < program_->operations().size(); ++number) {
      const Operation& op = program_->operations()[number];
      const auto add_read = [&](value_id value) {
        if (is_made(value) && std::exchange(read_by[value], number) != number) reads_.add(value);
      };
      Step step{.cost = op.cost,
                .extra_bytes = static_cast<double>(op.transient_bytes),
                .is_repeatable = repeatability_.may_run_again(number),
                .can_skip_output = op.can_skip_output};
      reads_.open();
      for (const value_id read : op.reads) add_read(read);
      consumed.assign(op.consumes.begin(), op.consumes.end());
      std::ranges::sort(consumed);
      consumed_.open();
      for (const value_id value : consumed) consumed_.add(value);
      writes_.open();
      for (const value_id written : op.writes) {
        writes_.add(written);
        step.written_bytes += bytes_[written];
        if (program_->values()[written].kind == ValueKind::output) {
          step.skippable_bytes += bytes_[written];
        }
      }
      for (const value_id part : op.accumulates) {
        if (!op.adds_in_place) {
          step.extra_bytes += static_cast<double>(program_->values()[part].bytes);
        }
        if (program_->maker(part) != number) add_read(part);
      }
      total_cost_ += step.cost;
      total_bytes_ += step.written_bytes + step.extra_bytes;
      steps_.push_back(step);
    }
  }

  void reserve_steps() {
    const std::span<const Operation> operations = program_->operations();
    std::size_t reads = 0;
    std::size_t writes = 0;
    for (const Operation& op : operations) {
      reads += op.reads.size() + op.accumulates.size();
      writes += op.writes.size();
    }
    steps_.reserve(operations.size());
    reads_.reserve(operations.size(), reads);
    writes_.reserve(operations.size(), writes);
    consumed_.reserve(operations.size(), 0);
  }

  void check_bytes() const {
    constexpr double most = 0x1p53;
    double bytes = constant_bytes_;
    for (const double one : bytes_) bytes += one;
    double largest = 0;
    for (const Step& step : steps_) {
      largest = std::max(largest, step.written_bytes + step.extra_bytes);
    }
    if (bytes + largest <= most) return;
    throw InvalidArgument("a program of " + std::to_string(bytes + largest) +
                          " bytes in all, more than the " + std::to_string(most) +
                          " that planners by stages count");
  }

  void add_readers() {
    std::vector<std::uint32_t> counts(value_count(), 0);
    for (operation_id op = 0; op < operation_count(); ++op) {
      for (const value_id read : reads(op)) ++counts[read];
    }
    readers_ = FlatLists(counts);
    for (operation_id op = 0; op < operation_count(); ++op) {
      for (const value_id read : reads(op)) readers_.put(read, op);
    }
  }

  void apply(std::span<const LayerOverride> overrides) {
    is_forced_.assign(value_count(), 0);
    if (overrides.empty()) return;
    for (operation_id op = 0; op < operation_count(); ++op) {
      const std::uint32_t layer = program_->operations()[op].layer;
      if (override_of(overrides, layer) == LayerOverride::must_save) {
        steps_[op].is_repeatable = false;
      }
      // What it reads and somebody takes over would have to be recomputed for it.
      for (const value_id read : reads(op)) {
        if (is_taken_over(read) && !steps_[maker(read)].is_repeatable) {
          steps_[op].is_repeatable = false;
        }
      }
    }
    if (std::ranges::find(overrides, LayerOverride::must_recompute) == overrides.end()) return;
    for_each_overridden(LayerValues(*program_), overrides, [this](value_id v, LayerOverride word) {
      if (word == LayerOverride::must_recompute) is_forced_[v] = 1;
    });
  }

  const Program* program_;
  Repeatability repeatability_;
  std::vector<Step> steps_;
  FlatLists reads_;
  FlatLists consumed_;  ///< in order of their numbers
  FlatLists writes_;
  FlatLists readers_;
  FlatLists members_;
  std::vector<value_id> storages_;
  std::vector<double> bytes_;
  std::vector<std::uint8_t> at_end_;
  std::vector<std::uint8_t> is_forced_;
  operation_id anchor_ = Program::no_operation;
  bool has_views_ = false;
  double constant_bytes_ = 0;
  double total_cost_ = 0;
  double total_bytes_ = 0;
};

}  // namespace reprise::inline v0::staged
