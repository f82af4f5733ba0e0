// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A schedule played on the ledger alone, without tensors.

#include <cstdint>
#include <reprise/core/error.hpp>
#include <reprise/program/ledger.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <string>
#include <vector>

namespace reprise::inline v0 {

/// What a schedule needs and costs.
struct Simulation {
  byte_count peak_bytes = 0;   ///< the most that is live at any instant
  byte_count rest_bytes = 0;   ///< live between forward and backward
  double recomputed_cost = 0;  ///< of all runs after an operation's first
  std::vector<std::uint32_t> recomputes_per_layer{};
};

/// Plays a schedule on a ledger and checks that it runs the whole program: every operation, the
/// program's own order of first runs, and nothing left but gradients of graph inputs.
/// Linear in the schedule.
/// @throws InvalidSchedule if an action has no meaning or something is missing.
[[nodiscard]] inline Simulation simulate(const Program& program, const Schedule& schedule) {
  Ledger ledger(program);
  Simulation result;
  result.recomputes_per_layer.resize(program.layer_count());
  operation_id next = 0;
  for (const Action& action : schedule.actions) {
    const bool is_run = action.kind == ActionKind::run;
    if (is_run && action.index == program.turn()) result.rest_bytes = ledger.live_bytes();
    const bool is_rerun =
        is_run && action.index < program.operations().size() && ledger.has_run(action.index);
    ledger.apply(action);
    if (is_rerun) {
      const Operation& op = program.operations()[action.index];
      result.recomputed_cost += op.cost;
      ++result.recomputes_per_layer[op.layer];
    } else if (is_run && action.index != next++) {
      throw InvalidSchedule(program.describe_operation(action.index) + " runs before " +
                            program.describe_operation(next - 1));
    }
  }
  if (next != program.operations().size()) {
    throw InvalidSchedule(program.describe_operation(next) + " never runs");
  }
  for (value_id v = 0; v < program.values().size(); ++v) {
    const Value& value = program.values()[v];
    if (ledger.is_present(v) && value.kind != ValueKind::input && !value.stays) {
      throw InvalidSchedule("never dropped: " + program.describe(v));
    }
  }
  result.peak_bytes = ledger.peak_bytes();
  return result;
}

}  // namespace reprise::inline v0
