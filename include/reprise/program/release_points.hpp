// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// When the engine itself is done with each value.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <reprise/program/program.hpp>
#include <vector>

namespace reprise::inline v0 {

/// For each operation, the values that the engine lets go of once it ran: what the program says,
/// or, where no operation says anything, each value after its last reader. Constants, results and
/// gradients that stay are never let go of. Linear in the program.
[[nodiscard]] inline std::vector<std::vector<value_id>> release_points(const Program& program) {
  const std::span<const Operation> operations = program.operations();
  std::vector<std::vector<value_id>> points(operations.size());
  const bool is_said =
      std::ranges::any_of(operations, [](const Operation& op) { return !op.releases.empty(); });
  if (is_said) {
    for (operation_id op = 0; op < operations.size(); ++op) points[op] = operations[op].releases;
    return points;
  }
  std::vector<operation_id> last_use(program.values().size(), Program::no_operation);
  for (operation_id op = 0; op < operations.size(); ++op) {
    for (const value_id value : operations[op].writes) last_use[value] = op;
    for (const value_id value : operations[op].reads) last_use[value] = op;
    for (const value_id value : operations[op].accumulates) last_use[value] = op;
  }
  for (const value_id result : program.results()) last_use[result] = Program::no_operation;
  for (value_id value = 0; value < program.values().size(); ++value) {
    if (program.is_given(value) || program.values()[value].stays) continue;
    if (last_use[value] != Program::no_operation) points[last_use[value]].push_back(value);
  }
  return points;
}

}  // namespace reprise::inline v0
