// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Full recomputation.

#include <reprise/planner/every_nth.hpp>
#include <reprise/planner/planner.hpp>

namespace reprise::inline v0 {

/// Keeps only the outputs between layers and recomputes every layer but the last: what is called
/// full recomputation. Choose when memory is scarce and one more forward is affordable. Where
/// layers leave nothing to recompute, as in a graph without any whose nodes save nothing, groups of
/// nodes take their place, see `EveryNth`.
struct RecomputeAll {
  static constexpr bool ignores_statistics = true;  ///< a StaticPlanner
  /// @throws BudgetInfeasible if the plan passes the budget.
  [[nodiscard]] Plan operator()(const PlanRequest& request) const {
    return EveryNth::plan(request, 1, "recompute-all");
  }
};

static_assert(StaticPlanner<RecomputeAll>);

}  // namespace reprise::inline v0
