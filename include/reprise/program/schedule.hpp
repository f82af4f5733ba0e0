// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A program as it will really run.

#include <cstdint>
#include <reprise/program/program.hpp>
#include <vector>

namespace reprise::inline v0 {

/// What an action does.
enum class ActionKind : std::uint8_t {
  run,   ///< runs an operation, for the first time or again; it makes all its outputs anew
  drop,  ///< gives a value's bytes back
};

/// One step of a schedule.
struct Action {
  ActionKind kind = ActionKind::run;  ///< what `index` counts
  std::uint32_t index = 0;            ///< an operation for `run`, a value for `drop`
  bool skips_output = false;  ///< a rerun that makes saved state only, see `can_skip_output`

  /// Runs an operation, for the first time or again.
  /// @param skips_output only for a rerun of an operation that has `can_skip_output`
  [[nodiscard]] static constexpr Action run(operation_id op, bool skips_output = false) noexcept {
    return {.kind = ActionKind::run, .index = op, .skips_output = skips_output};
  }
  /// Gives a value's bytes back.
  [[nodiscard]] static constexpr Action drop(value_id value) noexcept {
    return {.kind = ActionKind::drop, .index = value, .skips_output = false};
  }
  [[nodiscard]] friend constexpr bool operator==(const Action&, const Action&) noexcept = default;
};

/// A flat list of actions, in order.
struct Schedule {
  std::vector<Action> actions{};  ///< in the order in which they are done

  [[nodiscard]] friend bool operator==(const Schedule&, const Schedule&) = default;
};

}  // namespace reprise::inline v0
