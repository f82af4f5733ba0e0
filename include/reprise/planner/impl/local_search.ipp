// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
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
    OnDemandLimit limit;
    if (effort.tries == 0) {
      const std::chrono::duration<double> as_long_again(effort.seconds);
      limit.watch = {
          clock, clock.now() +
                     std::chrono::duration_cast<SearchClock::time_point::duration>(as_long_again)};
    }
    return plan_on_demand("search", request, most_runs, refusal, limit);
  }
}

}  // namespace reprise::inline v0
