// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// From a view to the value whose bytes it shares.

#include <cstdint>
#include <optional>
#include <reprise/program/program.hpp>
#include <reprise/program/value.hpp>
#include <vector>

namespace reprise::inline v0 {

/// Where the walk from a view to what it shows ends.
enum class ViewsOfGiven : std::uint8_t {
  stand_alone,  ///< at the view itself: what is given is there anyway
  resolve,      ///< at what is given, as for every other view
};

/// For each value of a program the one whose bytes it shares: itself if it is no view. Linear in
/// the values, however long chains of views are.
[[nodiscard]] inline std::vector<value_id> storages_of(
    const Program& program, ViewsOfGiven views = ViewsOfGiven::stand_alone) {
  constexpr value_id unknown = 0xFFFFFFFFU;
  std::vector<value_id> storages(program.values().size(), unknown);
  std::vector<value_id> path;
  for (value_id v = 0; v < storages.size(); ++v) {
    value_id at = v;
    while (storages[at] == unknown) {
      path.push_back(at);
      const std::optional<value_id>& source = program.values()[at].view_of;
      const bool ends =
          !source || (views == ViewsOfGiven::stand_alone && program.is_given(*source));
      if (ends) {
        storages[at] = at;
      } else {
        at = *source;
      }
    }
    for (const value_id walked : path) storages[walked] = storages[at];
    path.clear();
  }
  return storages;
}

}  // namespace reprise::inline v0
