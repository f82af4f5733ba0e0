// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// When the engine itself is done with each value.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <reprise/program/last_uses.hpp>
#include <reprise/program/program.hpp>
#include <span>
#include <vector>

namespace reprise::inline v0 {

/// For each operation, the values that the engine lets go of once it ran: what the program says,
/// or, where no operation says anything, each value after its last reader. What is given, results
/// and what stays is never let go of. Linear in the program.
[[nodiscard]] inline std::vector<std::vector<value_id>> release_points(const Program& program) {
  const std::span<const Operation> operations = program.operations();
  std::vector<std::vector<value_id>> points(operations.size());
  const bool is_said =
      std::ranges::any_of(operations, [](const Operation& op) { return !op.releases.empty(); });
  std::vector<std::uint8_t> is_left(program.values().size(), 0);
  for (const value_id result : program.results()) is_left[result] = 1;
  for (value_id value = 0; value < program.values().size(); ++value) {
    if (program.is_given(value) || program.values()[value].stays) is_left[value] = 1;
  }
  if (is_said) {
    for (operation_id op = 0; op < operations.size(); ++op) {
      std::ranges::copy_if(operations[op].releases, std::back_inserter(points[op]),
                           [&](value_id value) { return is_left[value] == 0; });
    }
    return points;
  }
  const std::vector<operation_id> last_use = last_uses(program);
  for (value_id value = 0; value < program.values().size(); ++value) {
    if (is_left[value] != 0 || last_use[value] == Program::no_operation) continue;
    points[last_use[value]].push_back(value);
  }
  return points;
}

}  // namespace reprise::inline v0
