// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How planners refuse a budget.

#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <string>
#include <string_view>

namespace reprise::inline v0 {

/// The error of a planner that cannot meet a budget, in one line for people.
/// @param planner  its name
/// @param smallest the smallest budget that it meets
/// @param bound    no plan of any planner needs less
[[nodiscard]] inline BudgetInfeasible budget_infeasible(std::string_view planner, byte_count budget,
                                                        byte_count smallest, byte_count bound) {
  const auto in_bytes = [](byte_count bytes) {
    return std::to_string(bytes) + " bytes (" + format_bytes(bytes) + ")";
  };
  return BudgetInfeasible("a budget of " + in_bytes(budget) + " cannot be met by " +
                              std::string(planner) + ": it needs " + in_bytes(smallest) +
                              ", and any plan at least " + in_bytes(bound),
                          budget, smallest, bound);
}

}  // namespace reprise::inline v0
