// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// All that an engine is told during a pass, worked out beforehand.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/core/units.hpp>
#include <reprise/program/arena/lifetimes.hpp>
#include <reprise/program/arena_block.hpp>
#include <reprise/program/arena_call.hpp>
#include <reprise/program/layout.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0::arena {

/// Part of a list.
struct ListRange {
  std::size_t begin = 0;
  std::size_t end = 0;

  template <class T>
  [[nodiscard]] std::span<T> of(std::vector<T>& list) const {
    return std::span(list).subspan(begin, end - begin);
  }
  template <class T>
  [[nodiscard]] std::span<const T> of(const std::vector<T>& list) const {
    return std::span(list).subspan(begin, end - begin);
  }
};

/// The runs of a schedule with their places in memory.
struct CallList {
  /// One run; its pointers, zeros and sums are parts of the lists.
  struct Run {
    operation_id operation = 0;
    bool is_rerun = false;
    bool skips_output = false;
    ListRange inputs{};
    ListRange outputs{};
    ListRange parts{};
    ListRange zeros{};
    ListRange sums{};
    void* scratch = nullptr;
  };
  /// What is zero before a run.
  struct Zero {
    void* place;
    byte_count bytes;
  };
  /// A part that is added after a run.
  struct Sum {
    value_id gradient;
    void* sum;
    const void* part;
  };
  /// A pointer that is to be what a given value is bound to.
  struct Borrowed {
    value_id given;
    std::size_t pointer;
  };

  std::vector<Run> runs{};
  std::vector<void*> pointers{};
  std::vector<Zero> zeros{};
  std::vector<Sum> sums{};
  std::vector<Borrowed> borrowed{};  ///< by given value
  ListRange at_end{};                ///< pointers: value -> where it lies after the last run
};

/// Makes the list of a schedule in a slab.
class CallRecorder {
 public:
  /// @param layout one of the schedule
  /// @param slab   where the layout's offsets begin
  CallRecorder(const Program& program, const ArenaLayout& layout, std::byte* slab)
      : program_(program), layout_(layout), slab_(slab), place_of_(program.values().size()) {}

  /// Linear in the schedule and in what its operations name.
  [[nodiscard]] CallList record(const Schedule& schedule) {
    std::vector<char> has_run(program_.operations().size(), 0);
    for (value_id v = 0; v < place_of_.size(); ++v) {
      if (program_.is_given(v)) place_of_[v] = Place{.given = v};
    }
    for (const Action& action : schedule.actions) {
      if (action.kind == ActionKind::drop) {
        place_of_[action.index].reset();
      } else if (action.runs()) {
        add(action, std::exchange(has_run[action.index], char{1}) != 0);
      }
    }
    list_.at_end.begin = list_.pointers.size();
    for (const std::optional<Place>& place : place_of_) push(place.value_or(Place{}));
    list_.at_end.end = list_.pointers.size();
    std::ranges::stable_sort(list_.borrowed, {}, &CallList::Borrowed::given);
    return std::move(list_);
  }

 private:
  /// In the slab, or wherever a given value is.
  struct Place {
    static constexpr value_id none = 0xFFFFFFFFU;

    void* pointer = nullptr;
    value_id given = none;
  };

  void add(const Action& action, bool is_rerun) {
    const Operation& op = program_.operations()[action.index];
    CallList::Run run{
        .operation = action.index, .is_rerun = is_rerun, .skips_output = action.skips_output};
    run.inputs.begin = list_.pointers.size();
    for (const value_id read : op.reads) push(place_of_[read].value_or(Place{}));
    run.inputs.end = run.outputs.begin = list_.pointers.size();
    run.zeros.begin = list_.zeros.size();
    made_.clear();
    for (const value_id written : made_by(program_, action)) add_output(action, op, written);
    run.zeros.end = list_.zeros.size();
    run.outputs.end = run.parts.begin = list_.pointers.size();
    run.sums.begin = list_.sums.size();
    for (const value_id part : op.accumulates) add_part(op, part);
    run.sums.end = list_.sums.size();
    run.parts.end = list_.pointers.size();
    if (op.transient_bytes > 0) run.scratch = next_block();
    for (const value_id consumed : op.consumes) place_of_[consumed].reset();
    list_.runs.push_back(run);
  }

  void add_output(const Action& action, const Operation& op, value_id written) {
    const Value& value = program_.values()[written];
    const bool is_skipped = action.skips_output && value.kind == ValueKind::output;
    const Place place = is_skipped ? Place{} : place_of_output(written, value);
    made_.push_back(place);
    push(place);
    if (is_skipped) return;
    if (!place_of_[written]) place_of_[written] = place;
    if (starts_with_zeros(op, value) && value.bytes > 0) {
      list_.zeros.push_back({.place = place.pointer, .bytes = value.bytes});
    }
  }

  // A copy of what is there has a block of its own, if it has bytes.
  [[nodiscard]] Place place_of_output(value_id written, const Value& value) {
    if (value.view_of) return place_of_[*value.view_of].value_or(Place{});
    if (place_of_[written] && value.bytes == 0) return *place_of_[written];
    return {.pointer = next_block()};
  }

  // What a run makes and adds to is added to where the run made it, be it a copy.
  void add_part(const Operation& op, value_id part) {
    const auto made = std::ranges::find(op.writes, part);
    const Place sum = made == op.writes.end()
                          ? place_of_[part].value_or(Place{})
                          : made_[static_cast<std::size_t>(made - op.writes.begin())];
    if (op.adds_in_place || program_.values()[part].bytes == 0) return push(sum);
    const Place place{.pointer = next_block()};
    push(place);
    list_.sums.push_back({.gradient = part, .sum = sum.pointer, .part = place.pointer});
  }

  // The blocks come in the order in which runs make them.
  [[nodiscard]] void* next_block() { return slab_ + layout_.blocks[next_block_++].offset; }

  void push(const Place& place) {
    if (place.given != Place::none) {
      list_.borrowed.push_back({.given = place.given, .pointer = list_.pointers.size()});
    }
    list_.pointers.push_back(place.pointer);
  }

  const Program& program_;
  const ArenaLayout& layout_;
  std::byte* slab_;
  std::size_t next_block_ = 0;
  std::vector<std::optional<Place>> place_of_;  ///< by value
  std::vector<Place> made_{};                   ///< by the run's writes
  CallList list_;
};

}  // namespace reprise::inline v0::arena
