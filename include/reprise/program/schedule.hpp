// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A program as it will really run.

#include <cstdint>
#include <reprise/program/program.hpp>
#include <string>
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

/// What becomes of a value, in words: when it is made, dropped and made again. Linear in the
/// schedule.
[[nodiscard]] inline std::string explain(const Program& program, const Schedule& schedule,
                                         value_id value) {
  std::string text = program.describe(value) + " (" + format_bytes(program.values()[value].bytes) +
                     ", layer " + std::to_string(program.layer(value)) + "):";
  const auto add = [&](const std::string& part) {
    text += (text.back() == ':' ? " " : ", ") + part;
  };
  bool is_present = false;
  bool past_turn = false;
  bool crossed_turn = false;
  std::uint32_t last_run = 0;
  std::size_t made = 0;
  for (const Action& action : schedule.actions) {
    if (action.kind == ActionKind::drop) {
      if (action.index != value) continue;
      crossed_turn = crossed_turn || (past_turn && is_present && made == 1);
      is_present = false;
      add("dropped after " + program.describe_operation(last_run));
      continue;
    }
    last_run = action.index;
    past_turn = past_turn || action.index == program.turn();
    const Operation& op = program.operations()[action.index];
    for (const value_id consumed : op.consumes) {
      if (consumed != value) continue;
      is_present = false;
      add("consumed by " + program.describe_operation(action.index));
    }
    for (const value_id written : op.writes) {
      if (written != value || is_present) continue;
      if (action.skips_output && program.values()[value].kind == ValueKind::output) continue;
      is_present = true;
      add((made++ == 0 ? "made by " : "remade by ") + program.describe_operation(action.index));
    }
  }
  if (made > 1) {
    text += "; recomputed " + std::to_string(made - 1) + (made == 2 ? " time" : " times");
  } else if (crossed_turn) {
    text += "; kept from forward to backward";
  }
  return text;
}

}  // namespace reprise::inline v0
