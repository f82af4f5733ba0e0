// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <reprise/planner/local_search.hpp>
#include <reprise/planner/search_clock.hpp>
#include <reprise/planner/staged/searcher.hpp>
#include <reprise/planner/staged/staged_request.hpp>

namespace reprise::inline v0 {

Plan LocalSearch::operator()(const PlanRequest& request) const {
  const SearchClock& clock = SearchClock::steady();
  const SearchClock::time_point begin = clock.now();
  staged::StagedRequest staged(request);
  return staged::Searcher("search", staged, effort, clock, begin, most_runs).plan().plan;
}

}  // namespace reprise::inline v0
