// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What no plan can do without.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <reprise/program/program.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// A budget below which no plan of any planner can run the program: the most that any one operation
/// needs at once, with the constants and the gradients that are live around it (gradients are never
/// evicted), or what must be there at the end. Linear in the program.
[[nodiscard]] inline byte_count lower_bound_bytes(const Program& program) {
  const std::span<const Value> values = program.values();
  const std::span<const Operation> operations = program.operations();
  std::vector<operation_id> last_read(values.size(), 0);
  for (operation_id op = 0; op < operations.size(); ++op) {
    for (const value_id read : operations[op].reads) last_read[read] = op;
  }
  std::vector<operation_id> seen(values.size(), Program::no_operation);
  byte_count gradients = 0;
  byte_count constants = 0;
  for (const Value& value : values) {
    if (value.kind == ValueKind::constant) constants += value.bytes;
  }
  const auto storage = [&](value_id value) {
    while (values[value].view_of) value = *values[value].view_of;
    return value;
  };
  byte_count bound = constants;
  for (value_id result : program.results()) {
    result = storage(result);
    if (program.is_given(result) || seen[result] == Program::no_operation - 1) continue;
    seen[result] = Program::no_operation - 1;
    bound += values[result].bytes;
  }
  for (operation_id op = 0; op < operations.size(); ++op) {
    const Operation& o = operations[op];
    byte_count bytes = constants + gradients + o.transient_bytes;
    for (value_id read : o.reads) {
      if (values[read].kind == ValueKind::gradient) continue;
      read = storage(read);
      if (program.is_given(read)) continue;
      if (std::exchange(seen[read], op) != op) bytes += values[read].bytes;
    }
    for (const value_id consumed : o.consumes) bytes -= values[consumed].bytes;
    for (const value_id written : o.writes) {
      if (!values[written].view_of) bytes += values[written].bytes;
    }
    if (!o.adds_in_place) {
      for (const value_id part : o.accumulates) bytes += values[part].bytes;
    }
    bound = std::max(bound, bytes);
    for (const value_id written : o.writes) {
      if (values[written].kind == ValueKind::gradient) gradients += values[written].bytes;
      if (values[written].kind == ValueKind::gradient && !values[written].stays &&
          last_read[written] == 0) {
        gradients -= values[written].bytes;
      }
    }
    for (const value_id read : o.reads) {
      if (values[read].kind == ValueKind::gradient && last_read[read] == op) {
        gradients -= values[read].bytes;
      }
    }
  }
  return bound;
}

}  // namespace reprise::inline v0
