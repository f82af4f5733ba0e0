// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Plans by a minimum cut at the instant where most is live.

#include <reprise/planner/decl.hpp>
#include <reprise/planner/planner.hpp>

namespace reprise::inline v0 {

/// Keeps or recomputes each value by a minimum cut at the instant where most is live, at the price
/// of a byte that just fits the budget; a few prices also at the instants that are then the
/// highest.
///
/// For any program, a recorded one too. Choose it where planning has to be fast, as in the first
/// step; `LocalSearch` starts from it and does better where several instants bind. Its plan says
/// how far from optimal it can be at most. Some two hundred cuts, each close to linear in what
/// those before it left open, and some twenty plans, each linear in the program.
struct MinCut {
  static constexpr bool ignores_statistics = true;  ///< a StaticPlanner

  /// Also cut at further instants, and between fences. If not, planning takes a fraction of the
  /// time, and low budgets cost more or have no plan.
  bool looks_further = true;

  /// End with the first plan: the best at one instant or, if none fits there, in the fewest parts
  /// between fences that have one. A tight budget is planned for in a fraction of the time, and
  /// costs more; refused is only what would be refused anyway. For shapes that each step has anew,
  /// where planning would take longer than what it saves. Exempt from the rule that a larger budget
  /// never costs more.
  bool takes_first = false;

  /// @throws BudgetInfeasible if no price fits
  [[nodiscard]] REPRISE_PLANNER_DECL Plan operator()(const PlanRequest& request) const;
};

static_assert(StaticPlanner<MinCut>);

}  // namespace reprise::inline v0

#ifndef REPRISE_SEPARATE_PLANNERS
#include <reprise/planner/impl/min_cut.ipp>
#endif
