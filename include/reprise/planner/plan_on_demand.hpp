// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A plan below what searches by stages meet.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/planner/budget_infeasible.hpp>
#include <reprise/planner/on_demand_player.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/program/bounds.hpp>
#include <reprise/program/simulate.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace reprise::inline v0 {

/// The cheapest plan within a budget that `OnDemandPlayer` finds by several rules, for a budget
/// that a planner refused.
///
/// Which budgets are met does not depend on the one that is asked for: a row of budgets from the
/// lower bound up is played, and the least that has a plan is the one that a refusal names. For
/// one pass without overrides; others are refused as before.
/// @param most_runs of any operation; below 2 nothing is looked at
/// @param limit of all that is played: what it ends finds no more
/// @throws BudgetInfeasible if none fits: the refusal itself if no less than it names was found
[[nodiscard]] inline Plan plan_on_demand(std::string_view planner, const PlanRequest& request,
                                         std::uint32_t most_runs, const BudgetInfeasible& refusal,
                                         OnDemandLimit limit = {}) {
  constexpr std::array row{1.0, 1.05, 1.1, 1.15, 1.2, 1.3, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0, 4.0};
  constexpr std::array<OnDemandRule, 5> rules{{{},
                                               {.bytes_power = 0.5},
                                               {.level_power = 0.5},
                                               {.level_power = 1},
                                               {.bytes_power = 0.5, .level_power = 0.5}}};
  const bool is_plain = request.passes_in_flight == 1 &&
                        std::ranges::all_of(request.overrides, [](LayerOverride override) {
                          return override == LayerOverride::none;
                        });
  if (!is_plain || most_runs < 2) throw BudgetInfeasible(refusal);
  const byte_count bound = sharper_lower_bound_bytes(request.program);
  const OnDemandPlayer player(request.program);
  std::optional<Plan> best;
  // False when the limit is reached.
  const auto play = [&](byte_count budget) {
    try {
      for (const OnDemandRule& rule : rules) {
        std::optional<Schedule> schedule = player.play(budget, rule, most_runs, limit);
        if (!schedule) continue;
        const Simulation played = simulate(request.program, *schedule);
        if (best && played.recomputed_cost >= best->recomputed_cost) continue;
        best = Plan{.schedule = *std::move(schedule),
                    .peak_bytes = played.peak_bytes,
                    .boundary_bytes = played.boundary_bytes,
                    .lower_bound_bytes = bound,
                    .recomputed_cost = played.recomputed_cost};
      }
      return true;
    } catch (const staged::TimeIsUp&) {
      return false;
    }
  };
  std::size_t tried = 0;
  for (const double share : row) {
    const auto budget = static_cast<byte_count>(std::ceil(share * static_cast<double>(bound)));
    if (best || budget >= refusal.smallest_budget()) break;
    ++tried;
    if (!play(budget)) break;
  }
  if (!best) throw BudgetInfeasible(refusal);
  if (best->peak_bytes > request.budget) {
    const std::string how = "the least of " + std::to_string(tried) +
                            " budgets that has a plan with at most " + std::to_string(most_runs) +
                            " runs of an operation";
    throw budget_infeasible({.planner = planner,
                             .budget = request.budget,
                             .smallest = best->peak_bytes,
                             .how = how,
                             .bound = bound});
  }
  play(request.budget);
  return *std::move(best);
}

}  // namespace reprise::inline v0
