// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A schedule played on the ledger alone, without tensors.

#include <cstdint>
#include <reprise/core/error.hpp>
#include <reprise/program/lane_clocks.hpp>
#include <reprise/program/ledger.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <string>
#include <vector>

namespace reprise::inline v0 {

/// What a schedule needs and costs.
struct Simulation {
  byte_count peak_bytes = 0;                          ///< the most that is live at any instant
  byte_count boundary_bytes = 0;                      ///< live between forward and backward
  double recomputed_cost = 0;                         ///< of all runs after an operation's first
  std::vector<std::uint32_t> recomputes_per_layer{};  ///< runs after an operation's first
  byte_count peak_host_bytes = 0;                     ///< the most that is live in the host
  byte_count moved_bytes = 0;                         ///< copied from one memory to the other
  double coded_cost = 0;  ///< of all encoding and decoding, in recomputations too
  /// Until the last lane has ended, where costs are seconds: each forward as long as a
  /// recomputation of it.
  double seconds = 0;
  double waited_seconds = 0;  ///< in which computing waits for another lane
  double variance = 0;        ///< that approximate forms add to the gradient's
};

/// Checks that each action of a schedule has a meaning where it stands, whether or not the program
/// comes to its end. Linear in the schedule.
/// @throws InvalidSchedule naming the first that has none.
inline void check_actions(const Program& program, const Schedule& schedule) {
  Ledger ledger(program);
  for (const Action& action : schedule.actions) ledger.apply(action);
}

/// Checks that a program's schedule has come to its end: every operation ran and was awaited, the
/// results are there, and nothing else is left. Linear in the program.
/// @throws InvalidSchedule naming what is missing or left.
inline void check_end(const Program& program, const Ledger& ledger) {
  for (operation_id op = 0; op < program.operations().size(); ++op) {
    if (!ledger.has_run(op)) {
      throw InvalidSchedule(program.describe_operation(op) + " never runs");
    }
    if (ledger.is_under_way(op)) {
      throw InvalidSchedule(program.describe_operation(op) + " is never awaited");
    }
  }
  std::vector<std::uint8_t> may_stay(program.values().size(), 0);
  for (const value_id result : program.results()) {
    may_stay[result] = 1;
    if (!ledger.is_present(result)) {
      throw InvalidSchedule("absent at the end: " + program.describe(result));
    }
  }
  for (value_id v = 0; v < program.values().size(); ++v) {
    const bool stays = program.is_given(v) || program.values()[v].stays || may_stay[v] != 0;
    if (ledger.is_present(v) && !stays) {
      throw InvalidSchedule("never dropped: " + program.describe(v));
    }
  }
}

namespace simulation {

// Of a run, for the first time or again.
inline void note_form(const Program& program, const Operation& op, Simulation& result) {
  switch (op.kind) {
    case OperationKind::encode:
    case OperationKind::decode:
      result.coded_cost += op.cost;
      break;
    case OperationKind::offload:
      result.moved_bytes += program.values()[op.writes.front()].host_bytes;
      break;
    case OperationKind::fetch:
      result.moved_bytes += program.values()[op.reads.front()].host_bytes;
      break;
    case OperationKind::forward:
    case OperationKind::loss:
    case OperationKind::backward:
      break;
  }
}

}  // namespace simulation

/// Plays a schedule on a ledger and checks that it runs the whole program: every operation, those
/// that are not repeatable in the program's own order, and at the end all results and nothing else
/// but gradients of graph inputs. A repeatable operation may run for the first time later than the
/// program has it. Linear in the schedule.
/// @throws InvalidSchedule if an action has no meaning or something is missing.
[[nodiscard]] inline Simulation simulate(const Program& program, const Schedule& schedule) {
  Ledger ledger(program);
  LaneClocks clocks(program);
  Simulation result;
  result.recomputes_per_layer.resize(program.layer_count());
  operation_id latest = 0;
  const bool has_forms = program.has_forms();
  for (const Action& action : schedule.actions) {
    const bool is_run = action.runs();
    if (is_run && action.index == program.loss()) result.boundary_bytes = ledger.live_bytes();
    const bool is_rerun = is_run && action.index < program.operations().size() &&
                          (ledger.has_run(action.index) || action.restores_original);
    ledger.apply(action);
    if (has_forms) clocks.apply(action);
    if (!is_run) continue;
    const Operation& op = program.operations()[action.index];
    if (has_forms) {
      simulation::note_form(program, op, result);
    } else {
      result.seconds += op.cost;
    }
    if (is_rerun) {
      result.recomputed_cost += op.cost;
      ++result.recomputes_per_layer[op.layer];
    } else if (!op.repeatable) {
      if (action.index < latest) {
        throw InvalidSchedule(program.describe_operation(latest) + " runs before " +
                              program.describe_operation(action.index));
      }
      latest = action.index;
    }
  }
  check_end(program, ledger);
  result.peak_bytes = ledger.peak_bytes();
  result.peak_host_bytes = ledger.peak_host_bytes();
  if (has_forms) {
    for (const Value& value : program.values()) result.variance += value.variance;
    result.seconds = clocks.latest();
    result.waited_seconds = clocks.waited();
  }
  if (program.cost_is_flops()) result.seconds = result.waited_seconds = 0;
  return result;
}

}  // namespace reprise::inline v0
