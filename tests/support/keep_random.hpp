// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <random>
#include <reprise/planner/candidate_search.hpp>
#include <reprise/planner/planner.hpp>

namespace reprise_test {

/// A planner that keeps a random set and recomputes in a random mode.
struct KeepRandom {
  static constexpr bool reads_statistics = false;

  std::mt19937* random;

  reprise::Plan operator()(const reprise::PlanRequest& request) const {
    reprise::SavedSet set(request.program.values().size());
    const auto share = (*random)() % 5;
    for (auto& flag : set) flag = (*random)() % 4 < share ? 1 : 0;
    reprise::PlanRequest other = request;
    other.recomputed_lifetime = (*random)() % 2 == 0 ? reprise::RecomputedLifetime::until_last_read
                                                     : reprise::RecomputedLifetime::one_backward;
    const reprise::LayerValues layers(request.program);
    reprise::CandidateSearch search(other, layers, "random");
    search.consider(set);
    return search.take();
  }
};

static_assert(reprise::Planner<KeepRandom>);

}  // namespace reprise_test
