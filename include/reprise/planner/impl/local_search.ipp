// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <reprise/planner/local_search.hpp>
#include <reprise/planner/plan_on_demand.hpp>
#include <reprise/planner/search_clock.hpp>
#include <reprise/planner/staged/searcher.hpp>
#include <reprise/planner/staged/staged_request.hpp>

namespace reprise::inline v0 {

Plan LocalSearch::operator()(const PlanRequest& request) const {
  const SearchClock& clock = SearchClock::steady();
  const SearchClock::time_point begin = clock.now();
  staged::StagedRequest staged(request);
  try {
    return staged::Searcher("search", staged, effort, clock, begin).plan().plan;
  } catch (const BudgetInfeasible& refusal) {
    return plan_on_demand("search", request, most_runs, refusal);
  }
}

}  // namespace reprise::inline v0
