// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Keep everything.

#include <reprise/planner/decl.hpp>
#include <reprise/planner/planner.hpp>

namespace reprise::inline v0 {

/// Keeps everything and recomputes nothing: training without checkpointing, and the reference that
/// every exact plan's gradients equal. Choose when memory is no concern.
struct StoreAll {
  static constexpr bool ignores_statistics = true;  ///< a StaticPlanner
  /// @throws BudgetInfeasible if everything together passes the budget.
  [[nodiscard]] REPRISE_PLANNER_DECL Plan operator()(const PlanRequest& request) const;
};

static_assert(StaticPlanner<StoreAll>);

}  // namespace reprise::inline v0

#ifndef REPRISE_SEPARATE_PLANNERS
#include <reprise/planner/impl/store_all.ipp>
#endif
