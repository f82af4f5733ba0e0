// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// When a program is done with a value.

#include <reprise/program/program.hpp>
#include <vector>

namespace reprise::inline v0 {

/// For each value, the last operation that makes it, reads it or adds to it; `no_operation` where
/// none does. Linear in the program.
[[nodiscard]] inline std::vector<operation_id> last_uses(const Program& program) {
  std::vector<operation_id> last(program.values().size(), Program::no_operation);
  for (operation_id op = 0; op < program.operations().size(); ++op) {
    const Operation& o = program.operations()[op];
    for (const value_id value : o.writes) last[value] = op;
    for (const value_id value : o.reads) last[value] = op;
    for (const value_id value : o.accumulates) last[value] = op;
  }
  return last;
}

}  // namespace reprise::inline v0
