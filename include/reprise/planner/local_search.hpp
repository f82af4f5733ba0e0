// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Plans by a penalised local search.

#include <cstdint>
#include <reprise/planner/decl.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/planner/search_effort.hpp>

namespace reprise::inline v0 {

/// Searches for the cheapest plan: which operations run again, and at which stage.
///
/// It starts from `MinCut`'s plan, or from what needs least if that has none, from a cut at one
/// instant and from nothing, side by side, and then goes on from the best: never worse than
/// `MinCut`, if there is time for that. Choose it where a plan is used for long. Exempt from the
/// rule that a larger budget never costs more. Time is what the effort says; memory is linear in
/// the program and the plan. By tries it meets just those budgets that are not below the one that
/// its refusals name, and may take a few times as many where `MinCut` has no plan.
///
/// Where no cut fits, searches also begin from schedules that recompute on demand
/// (`OnDemandPlayer`, within the limit on runs of an operation): of the budget itself, or of the
/// next larger one that has any. Such a plan may run an operation several times for one operation
/// of the program.
struct LocalSearch {
  static constexpr bool ignores_statistics = true;  ///< a StaticPlanner

  SearchEffort effort{};  ///< of each plan
  /// Of any operation, of what recomputes on demand and what searches make of it; below 2 nothing
  /// does.
  std::uint32_t most_runs = 30;

  /// @throws BudgetInfeasible if neither `MinCut` nor a search nor recomputing on demand meets the
  ///   budget. It names the least that they came to, in what the message says: in more time it may
  ///   be less.
  /// @throws InvalidArgument if the effort's seconds are negative or no time
  [[nodiscard]] REPRISE_PLANNER_DECL Plan operator()(const PlanRequest& request) const;
};

static_assert(StaticPlanner<LocalSearch>);

}  // namespace reprise::inline v0

#ifndef REPRISE_SEPARATE_PLANNERS
#include <reprise/planner/impl/local_search.ipp>
#endif
