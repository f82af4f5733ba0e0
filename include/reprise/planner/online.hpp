// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// An online eviction policy as a planner.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/core/units.hpp>
#include <reprise/eviction/eviction_policy.hpp>
#include <reprise/planner/budget_infeasible.hpp>
#include <reprise/planner/layer_values.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/planner/run_online.hpp>
#include <reprise/program/bounds.hpp>
#include <reprise/program/keep.hpp>
#include <reprise/program/simulate.hpp>
#include <string>
#include <utility>

namespace reprise::inline v0 {

/// Plans what an online policy would do on the known program: its simulated run is the schedule.
///
/// Choose it to compare an online policy with planners that see the whole program, or to have the
/// policy's decisions without its work in each step. Exempt from the rule that a larger budget
/// never costs more: an online policy does not keep it. Takes as long as the policy's own run.
/// @tparam P the policy
template <EvictionPolicy P>
class Online {
 public:
  static constexpr bool ignores_statistics = true;  ///< a StaticPlanner
  /// Recomputation in passes of the whole program beyond which a budget counts as not met.
  static constexpr double most_recomputed_passes = 100;

  /// @param name in messages
  explicit Online(P policy = {}, std::string name = "an online policy")
      : policy_(std::move(policy)), name_(std::move(name)) {}

  /// What the planner plays.
  [[nodiscard]] const P& policy() const noexcept { return policy_; }

  /// @throws BudgetInfeasible naming a budget that was tried and works, found by halving: a smaller
  ///   one may work too.
  [[nodiscard]] Plan operator()(const PlanRequest& request) const {
    check_request(request);
    const byte_count bound = lower_bound_bytes(request.program);
    if (std::optional<Plan> plan = within(request, request.budget)) {
      plan->bound_bytes = bound;
      return *std::move(plan);
    }
    throw budget_infeasible(name_, request.budget, smallest_budget(request, bound), bound);
  }

 private:
  static constexpr int most_tries = 16;

  // With several passes in flight the run's own budget shrinks until all of them fit together.
  [[nodiscard]] std::optional<Plan> within(const PlanRequest& request, byte_count budget) const {
    byte_count own = budget;
    for (int i = 0; i < most_tries; ++i) {
      std::optional<Plan> plan = run(request, own);
      if (!plan || plan->peak_bytes <= budget) return plan;
      const byte_count excess = (plan->peak_bytes - budget) / request.passes_in_flight + 1;
      if (excess > own) return std::nullopt;
      own -= excess;
    }
    return std::nullopt;
  }

  [[nodiscard]] std::optional<Plan> run(const PlanRequest& request, byte_count budget) const {
    const Program& program = request.program;
    KeepSet pinned;
    KeepSet forced;
    mark_overrides(request, pinned, forced);
    double cost = 0;
    for (const Operation& op : program.operations()) cost += op.cost;
    OnlineRun run = run_online(program, policy_,
                               {.budget = budget,
                                .most_recomputed_cost = most_recomputed_passes * cost,
                                .pinned = pinned,
                                .forced = forced});
    if (run.result != OnlineRun::Result::pass) return std::nullopt;
    const Simulation played = simulate(program, run.schedule);
    return Plan{.schedule = std::move(run.schedule),
                .peak_bytes =
                    peak_in_flight(played.peak_bytes, played.rest_bytes, request.passes_in_flight),
                .rest_bytes = played.rest_bytes,
                .recomputed_cost = played.recomputed_cost};
  }

  static void mark_overrides(const PlanRequest& request, KeepSet& pinned, KeepSet& forced) {
    if (request.overrides.empty()) return;
    const LayerValues layers(request.program);
    pinned.assign(request.program.values().size(), 0);
    forced = pinned;
    for (std::size_t layer = 0; layer < request.overrides.size(); ++layer) {
      if (request.overrides[layer] == LayerOverride::pinned) {
        mark(pinned, layers.inside(layer), true);
        mark(pinned, layers.between(layer), true);
      } else if (request.overrides[layer] == LayerOverride::forced) {
        mark(forced, layers.inside(layer), true);
      }
    }
  }

  [[nodiscard]] byte_count smallest_budget(const PlanRequest& request, byte_count bound) const {
    byte_count works = run(request, unlimited_bytes)->peak_bytes;
    byte_count fails = std::min(bound, works);
    if (fails > 0) --fails;  // the bound itself may work
    while (works - fails > 1) {
      const byte_count middle = fails + (works - fails) / 2;
      const std::optional<Plan> plan = within(request, middle);
      if (plan) {
        works = std::min(middle, works);
      } else {
        fails = middle;
      }
    }
    return works;
  }

  P policy_;
  std::string name_;
};

}  // namespace reprise::inline v0
