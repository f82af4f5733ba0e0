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

/// What a planner that refuses a budget has to say.
struct BudgetRefusal {
  std::string_view planner;  ///< its name
  byte_count budget;         ///< that it cannot meet
  byte_count smallest;       ///< the smallest budget that it meets
  /// What that is of all that was looked at, and how hard: "the least of 12 sets". Empty if the
  /// planner has one plan only.
  std::string_view how{};
  byte_count bound;        ///< no plan of any planner needs less
  std::string_view why{};  ///< what forbids the budget, if more than that is known
};

/// The error of a planner that cannot meet a budget, in one line for people.
[[nodiscard]] inline BudgetInfeasible budget_infeasible(const BudgetRefusal& refusal) {
  const auto in_bytes = [](byte_count bytes) {
    return std::to_string(bytes) + " bytes (" + format_bytes(bytes) + ")";
  };
  const std::string how = refusal.how.empty() ? "" : ", " + std::string(refusal.how);
  const std::string why = refusal.why.empty() ? "" : ": " + std::string(refusal.why);
  return BudgetInfeasible("a budget of " + in_bytes(refusal.budget) + " cannot be met by " +
                              std::string(refusal.planner) + ": it needs " +
                              in_bytes(refusal.smallest) + how + ", and any plan at least " +
                              in_bytes(refusal.bound) + why,
                          refusal.budget, refusal.smallest, refusal.bound);
}

}  // namespace reprise::inline v0
