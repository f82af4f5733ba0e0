// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Plans whose copies go beside computing.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <reprise/core/error.hpp>
#include <reprise/core/recent_map.hpp>
#include <reprise/core/units.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/program/forms/overlap_transfers.hpp>
#include <reprise/program/forms/recompute_from_forms.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/simulate.hpp>
#include <reprise/run/checkpointed_options.hpp>
#include <reprise/run/lowered_shape.hpp>
#include <reprise/store/memory_account.hpp>
#include <string>
#include <utility>

namespace reprise::inline v0::running {

/// For each plan of a scheduler the one that is played: planners know one lane, so copies are put
/// beside computing here, and the host's budget is compared with what they take.
class PlansWithLanes {
 public:
  /// @throws BudgetExceeded if passes in flight take more of the host than its budget
  template <class Store>
  [[nodiscard]] std::shared_ptr<const Plan> plan(const LoweredShape& shape,
                                                 std::shared_ptr<const Plan> plan,
                                                 const Store& store,
                                                 const CheckpointedOptions& options) {
    const Known* const known = plans_.find(shape.plan_number);
    if (known != nullptr && known->planned == plan) return known->played;
    auto played = std::make_shared<Plan>(*plan);
    const Program& program = shape.lowered.program;
    const std::size_t passes = options.passes_in_flight;
    const byte_count budget = of_one_pass(store.budget_bytes(), *plan, passes);
    played->schedule =
        overlap_transfers(program, recompute_from_forms(program, plan->schedule, budget),
                          {.budget = budget, .keeps_boundary = passes > 1});
    const Simulation simulated = simulate(program, played->schedule);
    check_host(simulated.peak_host_bytes, passes, *store.host_account());
    played->peak_bytes = peak_in_flight(simulated.peak_bytes, simulated.boundary_bytes, passes);
    played->boundary_bytes = simulated.boundary_bytes;
    played->recomputed_cost = simulated.recomputed_cost;
    played->lower_bound_cost = std::min(plan->lower_bound_cost, simulated.recomputed_cost);
    plans_.insert(shape.plan_number, {.planned = std::move(plan), .played = played});
    return played;
  }

  /// Forgets the plan of a program.
  void forget(std::uint64_t plan_number) { plans_.erase(plan_number); }

 private:
  struct Known {
    std::shared_ptr<const Plan> planned;
    std::shared_ptr<const Plan> played;
  };

  // What is offloaded by passes between forward and backward lies in the host all the time.
  static void check_host(byte_count peak, std::size_t passes, const MemoryAccount& host) {
    const byte_count budget = host.budget_bytes();
    if (peak == 0 || peak <= budget / passes) return;
    throw BudgetExceeded("the chosen forms take " + std::to_string(peak) +
                             " bytes of the host's memory for each of " + std::to_string(passes) +
                             " passes in flight, of a budget of " + std::to_string(budget),
                         budget, peak_in_flight(peak, peak, passes));
  }

  [[nodiscard]] static byte_count of_one_pass(byte_count budget, const Plan& plan,
                                              std::size_t passes) {
    if (budget == unlimited_bytes) return budget;
    const byte_count others = (passes - 1) * plan.boundary_bytes;
    return budget > others ? budget - others : 0;
  }

  static constexpr std::size_t most_plans = 64;

  RecentMap<Known> plans_{most_plans};
};

}  // namespace reprise::inline v0::running
