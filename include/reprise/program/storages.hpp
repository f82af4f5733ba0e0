// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// From a view to the value whose bytes it shares.

#include <reprise/program/program.hpp>
#include <vector>

namespace reprise::inline v0 {

/// For each value of a program the one whose bytes it shares: itself if it is no view, or a view of
/// what is given, which is there anyway. Linear in the values, however long chains of views are.
[[nodiscard]] inline std::vector<value_id> storages_of(const Program& program) {
  constexpr value_id unknown = 0xFFFFFFFFU;
  std::vector<value_id> storages(program.values().size(), unknown);
  std::vector<value_id> path;
  for (value_id v = 0; v < storages.size(); ++v) {
    value_id at = v;
    while (storages[at] == unknown) {
      path.push_back(at);
      const Value& value = program.values()[at];
      if (!value.view_of || program.is_given(*value.view_of)) {
        storages[at] = at;
      } else {
        at = *value.view_of;
      }
    }
    for (const value_id walked : path) storages[walked] = storages[at];
    path.clear();
  }
  return storages;
}

}  // namespace reprise::inline v0
