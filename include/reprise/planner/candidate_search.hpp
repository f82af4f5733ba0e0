// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The cheapest of several saved sets that fits a budget.

#include <algorithm>
#include <cstddef>
#include <optional>
#include <reprise/core/units.hpp>
#include <reprise/planner/budget_infeasible.hpp>
#include <reprise/planner/layer_override.hpp>
#include <reprise/planner/layer_values.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/program/bounds.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <reprise/program/simulate.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace reprise::inline v0 {

/// Tries saved sets for one request and holds on to the best; for planners that choose among sets
/// which do not depend on the budget, so that a larger budget never costs more.
class CandidateSearch {
 public:
  /// Borrows the request and the layers.
  /// @param planner what messages call it
  /// @throws InvalidArgument for a request that no planner can be asked
  CandidateSearch(const PlanRequest& request, const LayerValues& layers, std::string_view planner)
      : request_(request), layers_(layers), planner_(planner) {
    check_request(request);
  }

  /// Tries a set, the user's overrides applied to it. Of equal costs the first one stays.
  /// @param dropped what the planner's rule would have kept and this set does not
  /// @returns true if it fits the budget
  bool consider(SavedSet set, std::size_t dropped = 0) {
    return consider(play(std::move(set), dropped));
  }

  /// Tries what `play` gave.
  bool consider(Plan candidate) {
    ++considered_;
    smallest_peak_ = std::min(smallest_peak_, candidate.peak_bytes);
    if (candidate.peak_bytes > request_.budget) return false;
    if (!best_ || candidate.recomputed_cost < best_->recomputed_cost) best_ = std::move(candidate);
    return true;
  }

  /// What a set needs and costs, the user's overrides applied to it; without a lower bound.
  [[nodiscard]] Plan play(SavedSet set, std::size_t dropped = 0) const {
    apply_overrides(set);
    Schedule schedule = schedule_from_saved(request_.program, set, request_.recomputed_lifetime);
    const Simulation played = simulate(request_.program, schedule);
    return {.schedule = std::move(schedule),
            .peak_bytes =
                peak_in_flight(played.peak_bytes, played.boundary_bytes, request_.passes_in_flight),
            .boundary_bytes = played.boundary_bytes,
            .recomputed_cost = played.recomputed_cost,
            .dropped = dropped};
  }

  /// The cheapest set so far that fits, if there is one.
  [[nodiscard]] const std::optional<Plan>& best() const noexcept { return best_; }
  /// The smallest peak of all sets tried so far.
  [[nodiscard]] byte_count smallest_peak() const noexcept { return smallest_peak_; }

  /// The cheapest set that fitted.
  /// @throws BudgetInfeasible if none did.
  [[nodiscard]] Plan take() {
    const byte_count bound = lower_bound_bytes(request_.program);
    if (best_) {
      best_->lower_bound_bytes = bound;
      return *std::move(best_);
    }
    const std::string how =
        considered_ > 1 ? "the least of " + std::to_string(considered_) + " plans" : "";
    throw budget_infeasible({.planner = planner_,
                             .budget = request_.budget,
                             .smallest = smallest_peak_,
                             .how = how,
                             .bound = bound});
  }

 private:
  void apply_overrides(SavedSet& set) const {
    for_each_overridden(layers_, request_.overrides, [&set](value_id v, LayerOverride word) {
      set[v] = word == LayerOverride::must_save ? 1 : 0;
    });
  }

  const PlanRequest& request_;
  const LayerValues& layers_;
  std::string_view planner_;
  std::optional<Plan> best_;
  byte_count smallest_peak_ = unlimited_bytes;
  std::size_t considered_ = 0;
};

}  // namespace reprise::inline v0
