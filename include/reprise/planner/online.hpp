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
#include <reprise/planner/byte_grain.hpp>
#include <reprise/planner/layer_override.hpp>
#include <reprise/planner/layer_values.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/planner/run_online.hpp>
#include <reprise/program/bounds.hpp>
#include <reprise/program/schedule_from_saved.hpp>
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

  /// @throws BudgetInfeasible naming the least of the budgets that were tried and work. They are
  ///   tried by halving, and then all below it that differ, or so many of them as the message says:
  ///   of those that were not tried one may work. Each larger budget is met, by the policy's run in
  ///   a smaller one if need be.
  [[nodiscard]] Plan operator()(const PlanRequest& request) const {
    check_request(request);
    const byte_count bound = lower_bound_bytes(request.program);
    std::optional<Plan> plan = within(request, request.budget);
    if (!plan) {
      const Least least = find_least(request, bound);
      if (least.bytes > request.budget) refuse(request, least, bound);
      plan = within_less(request, least.bytes);
    }
    plan->lower_bound_bytes = bound;
    return *std::move(plan);
  }

 private:
  static constexpr int most_tries = 16;

  /// The smallest budget that is met, as far as was tried.
  struct Least {
    byte_count bytes;
    std::size_t tried;  ///< budgets
    bool is_proven;     ///< all budgets below it were tried that are not alike
  };

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
    SavedSet must_save;
    SavedSet must_recompute;
    mark_overrides(request, must_save, must_recompute);
    double cost = 0;
    for (const Operation& op : program.operations()) cost += op.cost;
    OnlineRun run = run_online(program, policy_,
                               {.budget = budget,
                                .most_recomputed_cost = most_recomputed_passes * cost,
                                .must_save = must_save,
                                .must_recompute = must_recompute});
    if (run.result != OnlineRun::Result::pass) return std::nullopt;
    const Simulation played = simulate(program, run.schedule);
    return Plan{.schedule = std::move(run.schedule),
                .peak_bytes = peak_in_flight(played.peak_bytes, played.boundary_bytes,
                                             request.passes_in_flight),
                .boundary_bytes = played.boundary_bytes,
                .recomputed_cost = played.recomputed_cost};
  }

  static void mark_overrides(const PlanRequest& request, SavedSet& must_save,
                             SavedSet& must_recompute) {
    if (request.overrides.empty()) return;
    must_save.assign(request.program.values().size(), 0);
    must_recompute = must_save;
    for_each_overridden(LayerValues(request.program), request.overrides,
                        [&](value_id v, LayerOverride word) {
                          (word == LayerOverride::must_save ? must_save : must_recompute)[v] = 1;
                        });
  }

  // By halving, and then from below, as a budget may work where a larger one does not.
  [[nodiscard]] Least find_least(const PlanRequest& request, byte_count bound) const {
    Least least{.bytes = run(request, unlimited_bytes)->peak_bytes, .tried = 1, .is_proven = false};
    byte_count fails = std::min(bound, least.bytes);
    if (fails > 0) --fails;  // the bound itself may work
    while (least.bytes - fails > 1) {
      const byte_count middle = fails + (least.bytes - fails) / 2;
      ++least.tried;
      if (within(request, middle)) {
        least.bytes = middle;
      } else {
        fails = middle;
      }
    }
    // Several passes divide what they have by their number.
    const byte_count grain = request.passes_in_flight > 1 ? 1 : byte_grain(request.program);
    const byte_count first = std::max(bound, grain);
    const byte_count count = least.bytes > first ? (least.bytes - first + grain - 1) / grain : 0;
    const byte_count most = most_below(request.program);
    const byte_count stride = grain * ((count + most - 1) / std::max<byte_count>(most, 1));
    least.is_proven = stride <= grain;
    // What is live is a multiple of the grain, and so budgets between two multiples are alike.
    for (byte_count below = (first + grain - 1) / grain * grain; below < least.bytes;
         below += stride) {
      ++least.tried;
      if (within(request, below)) least.bytes = below;
    }
    for (byte_count i = 0; i < most && least.bytes > first; ++i) {
      const std::optional<Plan> plan = within(request, least.bytes - 1);
      if (!plan) break;
      --least.bytes;
      // A byte at a time would take for ever where many are left over.
      const byte_count peak = plan->peak_bytes;
      if (peak < least.bytes && within(request, peak)) least.bytes = peak;
    }
    return least;
  }

  // A run at a budget that fails, where smaller ones work: by halving, the largest such.
  [[nodiscard]] std::optional<Plan> within_less(const PlanRequest& request,
                                                byte_count works) const {
    constexpr int halvings = 8;
    std::optional<Plan> best = within(request, works);
    byte_count fails = request.budget;
    for (int i = 0; i < halvings && fails - works > 1; ++i) {
      const byte_count middle = works + (fails - works) / 2;
      std::optional<Plan> plan = within(request, middle);
      if (!plan) {
        fails = middle;
        continue;
      }
      works = middle;
      if (plan->recomputed_cost < best->recomputed_cost) best = std::move(plan);
    }
    return best;
  }

  // Budgets that may be tried below one that works: fewer of long programs.
  [[nodiscard]] static std::size_t most_below(const Program& program) {
    constexpr std::size_t most_operations = std::size_t{1} << 14U;
    const std::size_t operations = std::max<std::size_t>(program.operations().size(), 1);
    return std::clamp<std::size_t>(most_operations / operations, 16, 128);
  }

  [[noreturn]] void refuse(const PlanRequest& request, const Least& least, byte_count bound) const {
    std::string how = "the least of " + std::to_string(least.tried) + " budgets that were tried";
    if (!least.is_proven) how += " (one between them may do, too)";
    throw budget_infeasible({.planner = name_,
                             .budget = request.budget,
                             .smallest = least.bytes,
                             .how = how,
                             .bound = bound});
  }

  P policy_;
  std::string name_;
};

}  // namespace reprise::inline v0
