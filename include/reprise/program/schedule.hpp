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
  ActionKind kind = ActionKind::run;
  std::uint32_t index = 0;    ///< an operation for `run`, a value for `drop`
  bool skips_output = false;  ///< a rerun that makes saved state only, see `can_skip_output`

  [[nodiscard]] static constexpr Action run(operation_id op, bool skips_output = false) noexcept {
    return {.kind = ActionKind::run, .index = op, .skips_output = skips_output};
  }
  [[nodiscard]] static constexpr Action drop(value_id value) noexcept {
    return {.kind = ActionKind::drop, .index = value, .skips_output = false};
  }
  [[nodiscard]] friend constexpr bool operator==(const Action&, const Action&) noexcept = default;
};

/// A flat list of actions, in order.
struct Schedule {
  std::vector<Action> actions{};

  [[nodiscard]] friend bool operator==(const Schedule&, const Schedule&) = default;
};

}  // namespace reprise::inline v0
