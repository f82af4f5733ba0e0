// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Plays a schedule in one slab of memory.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/program/arena/call_list.hpp>
#include <reprise/program/arena/check_layout.hpp>
#include <reprise/program/arena_call.hpp>
#include <reprise/program/arena_kernels.hpp>
#include <reprise/program/layout.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <span>
#include <string>

namespace reprise::inline v0 {

/// Plays a schedule over an engine's kernels, in a slab that the engine owns: tells it which
/// operation runs with what where, has gradients zeroed that are made by adding, and parts added.
///
/// The slab may be a device's: it is never touched, only pointers into it are handed on. Nothing is
/// allocated once a player is made. It keeps neither program nor schedule nor layout; copies play
/// in the same slab. One pass at a time plays in a slab.
class ArenaPlayer {
 public:
  /// Works out all pointers; n log n in the schedule.
  /// @param layout of this schedule; it is checked, wherever it came from
  /// @param slab   outlives the player; begins at a multiple of the layout's alignment
  /// @throws InvalidArgument if the slab is smaller than the layout or misaligned, or the layout is
  ///   none of this schedule, with the first block that is not; InvalidSchedule as `check_actions`
  ArenaPlayer(const Program& program, const Schedule& schedule, const ArenaLayout& layout,
              std::span<std::byte> slab)
      : calls_(checked(program, schedule, layout, slab)) {}

  /// Says where a graph input or a constant lies, from the next pass on. Linear in its reads.
  /// Unbound, it is a null pointer for kernels.
  /// @param place read only, unless kernels themselves write through views of it
  /// @throws InvalidArgument if the value is not given
  void bind(value_id value, void* place) {
    const std::span<void* const> at_end = calls_.at_end.of(calls_.pointers);
    auto one =
        std::ranges::lower_bound(calls_.borrowed, value, {}, &arena::CallList::Borrowed::given);
    if (one == calls_.borrowed.end() || one->given != value) {
      throw InvalidArgument("value " + std::to_string(value) + " of a program of " +
                            std::to_string(at_end.size()) +
                            " values cannot be bound: it is neither a graph input nor a constant");
    }
    for (; one != calls_.borrowed.end() && one->given == value; ++one) {
      calls_.pointers[one->pointer] = place;
    }
  }

  /// One pass. What kernels throw ends it; the next one begins anew.
  /// @throws InvalidArgument, before anything runs, if the program needs `zero` or `add` of kernels
  ///   that have none
  template <ArenaKernels K>
  void play(K&& kernels) const {
    check_kernels<K>();
    for (const arena::CallList::Run& run : calls_.runs) {
      if constexpr (ZeroingKernels<K>) {
        for (const auto& [place, bytes] : run.zeros.of(calls_.zeros)) kernels.zero(place, bytes);
      }
      kernels(ArenaCall{.operation = run.operation,
                        .is_rerun = run.is_rerun,
                        .skips_output = run.skips_output,
                        .inputs = run.inputs.of(calls_.pointers),
                        .outputs = run.outputs.of(calls_.pointers),
                        .parts = run.parts.of(calls_.pointers),
                        .scratch = run.scratch});
      if constexpr (AddingKernels<K>) {
        for (const auto& [gradient, sum, part] : run.sums.of(calls_.sums)) {
          kernels.add(gradient, sum, part);
        }
      }
    }
  }

  /// Where a value lies after a pass: a result, a gradient of a graph input, what is given. Null if
  /// it is not there.
  /// @throws InvalidArgument if there is no such value
  [[nodiscard]] void* place(value_id value) const {
    const std::span<void* const> at_end = calls_.at_end.of(calls_.pointers);
    if (value >= at_end.size()) {
      throw InvalidArgument("value " + std::to_string(value) + " of a program of " +
                            std::to_string(at_end.size()) + " values has no place");
    }
    return at_end[value];
  }

 private:
  [[nodiscard]] static arena::CallList checked(const Program& program, const Schedule& schedule,
                                               const ArenaLayout& layout,
                                               std::span<std::byte> slab) {
    arena::check_layout(program, schedule, layout);
    if (slab.size() < layout.high_water) {
      throw InvalidArgument("a slab of " + std::to_string(slab.size()) +
                            " bytes for a layout that needs " + std::to_string(layout.high_water));
    }
    const auto address = reinterpret_cast<std::uintptr_t>(slab.data());
    if (layout.high_water > 0 && address % layout.alignment != 0) {
      throw InvalidArgument("a slab that begins " + std::to_string(address % layout.alignment) +
                            " bytes after a multiple of the layout's alignment of " +
                            std::to_string(layout.alignment));
    }
    return arena::CallRecorder(program, layout, slab.data()).record(schedule);
  }

  template <class K>
  void check_kernels() const {
    const auto refuse = [&](const char* needs, value_id of, const char* member) {
      throw InvalidArgument("operation " + std::to_string(of) + " " + needs +
                            ", for which kernels need a member " + member);
    };
    if (!ZeroingKernels<K> && !calls_.zeros.empty()) {
      refuse("makes gradients by adding in place", first_with(&arena::CallList::Run::zeros),
             "zero(void* place, byte_count bytes)");
    }
    if (!AddingKernels<K> && !calls_.sums.empty()) {
      refuse("makes parts of gradients", first_with(&arena::CallList::Run::sums),
             "add(value_id gradient, void* sum, const void* part)");
    }
  }

  [[nodiscard]] operation_id first_with(arena::ListRange arena::CallList::Run::*list) const {
    return std::ranges::find_if(
               calls_.runs,
               [&](const arena::CallList::Run& run) { return (run.*list).begin < (run.*list).end; })
        ->operation;
  }

  arena::CallList calls_;
};

}  // namespace reprise::inline v0
