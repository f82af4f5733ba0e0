// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <reprise/planner/budget_infeasible.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/staged/ladder.hpp>
#include <reprise/planner/staged/staged_request.hpp>
#include <reprise/program/bounds.hpp>

namespace reprise::inline v0 {

Plan MinCut::operator()(const PlanRequest& request) const {
  staged::StagedRequest staged(request);
  staged::Ladder ladder(staged);
  if (ladder.climb({}, {}, {.looks_further = looks_further, .takes_first = takes_first}))
    return ladder.choice().plan;
  throw budget_infeasible({.planner = "min-cut",
                           .budget = request.budget,
                           .smallest = ladder.smallest_bytes(),
                           .how = "the least of all its cuts",
                           .bound = sharper_lower_bound_bytes(request.program)});
}

}  // namespace reprise::inline v0
