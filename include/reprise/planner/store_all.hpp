// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Keep everything.

#include <reprise/planner/candidate_search.hpp>
#include <reprise/planner/planner.hpp>

namespace reprise::inline v0 {

/// Keeps everything and recomputes nothing: training without checkpointing, and the reference that
/// every exact plan's gradients equal. Choose when memory is no concern.
struct StoreAll {
  static constexpr bool ignores_statistics = true;  ///< a StaticPlanner
  /// @throws BudgetInfeasible if everything together passes the budget.
  [[nodiscard]] Plan operator()(const PlanRequest& request) const {
    const LayerValues layers(request.program);
    CandidateSearch search(request, layers, "store-all");
    search.consider(KeepSet(request.program.values().size(), 1));
    return search.take();
  }
};

static_assert(StaticPlanner<StoreAll>);

}  // namespace reprise::inline v0
