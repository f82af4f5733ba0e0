// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <reprise/planner/candidate_search.hpp>
#include <reprise/planner/layer_values.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/program/schedule_from_saved.hpp>

namespace reprise::inline v0 {

Plan StoreAll::operator()(const PlanRequest& request) const {
  const LayerValues layers(request.program);
  CandidateSearch search(request, layers, "store-all");
  search.consider(SavedSet(request.program.values().size(), 1));
  return search.take();
}

}  // namespace reprise::inline v0
