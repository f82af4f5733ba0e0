// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A program as it will really run.

#include <cstdint>
#include <optional>
#include <reprise/program/program.hpp>
#include <span>
#include <vector>

namespace reprise::inline v0 {

/// What an action does.
enum class ActionKind : std::uint8_t {
  run,    ///< runs an operation, for the first time or again; it makes all its outputs anew
  drop,   ///< gives a value's bytes back
  start,  ///< begins to run an operation of another lane than computing, which goes on beside
  await,  ///< waits until an operation that was begun has ended
};

/// One step of a schedule.
struct Action {
  ActionKind kind = ActionKind::run;  ///< what `index` counts
  std::uint32_t index = 0;            ///< a value for `drop`, else an operation
  bool skips_output = false;       ///< a rerun that makes saved state only, see `can_skip_output`
  bool restores_original = false;  ///< a run that restores what a form stands for, see `restore`

  /// Runs an operation, for the first time or again.
  /// @param skips_output only for a rerun of an operation that has `can_skip_output`
  [[nodiscard]] static constexpr Action run(operation_id op, bool skips_output = false) noexcept {
    return {.kind = ActionKind::run, .index = op, .skips_output = skips_output};
  }
  /// Gives a value's bytes back.
  [[nodiscard]] static constexpr Action drop(value_id value) noexcept {
    return {.kind = ActionKind::drop, .index = value, .skips_output = false};
  }
  /// Runs an operation that restores from an exact form once more, and makes the value itself that
  /// the form stands for, which is gone: a recomputation may start from there.
  [[nodiscard]] static constexpr Action restore(operation_id op) noexcept {
    return {.kind = ActionKind::run, .index = op, .restores_original = true};
  }
  /// Begins to run an operation on its own lane. What it reads must stay, and what it makes must
  /// not be read or dropped, until it was awaited.
  [[nodiscard]] static constexpr Action start(operation_id op) noexcept {
    return {.kind = ActionKind::start, .index = op, .skips_output = false};
  }
  /// Computing goes on once an operation that was begun has ended.
  [[nodiscard]] static constexpr Action await(operation_id op) noexcept {
    return {.kind = ActionKind::await, .index = op, .skips_output = false};
  }
  /// True for `run` and `start`: from here on an operation's memory is taken.
  [[nodiscard]] constexpr bool runs() const noexcept {
    return kind == ActionKind::run || kind == ActionKind::start;
  }
  [[nodiscard]] friend constexpr bool operator==(const Action&, const Action&) noexcept = default;
};

/// What a run or a start of an operation of the program makes: what the operation writes, or the
/// original of that.
[[nodiscard]] inline std::span<const value_id> made_by(const Program& program,
                                                       const Action& action) noexcept {
  const std::vector<value_id>& writes = program.operations()[action.index].writes;
  if (!action.restores_original || writes.empty()) return writes;
  const std::optional<value_id>& original = program.values()[writes.front()].form_of;
  return original ? std::span<const value_id>(&*original, 1) : std::span<const value_id>(writes);
}

/// A flat list of actions, in order.
struct Schedule {
  std::vector<Action> actions{};  ///< in the order in which they are done

  [[nodiscard]] friend bool operator==(const Schedule&, const Schedule&) = default;
};

}  // namespace reprise::inline v0
