// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Passes that play plans.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <reprise/core/layer_graph.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <reprise/run/lowered_shape.hpp>
#include <reprise/run/pass_strategy.hpp>
#include <reprise/run/plans_with_lanes.hpp>
#include <reprise/run/run_report.hpp>
#include <reprise/run/run_state.hpp>
#include <reprise/run/scheduled_player.hpp>
#include <reprise/scheduler/plan_scheduler.hpp>
#include <reprise/stats/statistics_tracker.hpp>
#include <reprise/store/remat_store.hpp>
#include <span>
#include <utility>

namespace reprise::inline v0::running {

/// Lets a scheduler make the plans, one for each set of input shapes, that all passes with these
/// shapes share until the scheduler makes another. A PassStrategy.
template <LayerGraph G, PlanScheduler Scheduler, ValueStore Store>
class PlannedStrategy {
 public:
  using store_type = Store;                         ///< holds the values of passes
  using player_type = ScheduledPlayer<G, Store>;    ///< plays a pass
  using choice_type = std::shared_ptr<const Plan>;  ///< says what a pass keeps

  /// Borrows the scheduler.
  explicit PlannedStrategy(Scheduler& scheduler) noexcept : scheduler_(&scheduler) {}

  /// The plans of the step use the statistics as they are now, if its planner will read them.
  template <StatisticsTracker Tracker>
  void begin_step(const Tracker& tracker, std::uint64_t step) {
    scheduler_->begin_step(statistics_for(tracker, step), step);
  }

  /// The plan for a pass over inputs of a shape; the time that making it takes is reported.
  /// @throws BudgetInfeasible and whatever else the planner throws
  [[nodiscard]] choice_type choose(const LoweredShape& shape, const store_type& store,
                                   RunState& state) {
    const auto start = std::chrono::steady_clock::now();
    choice_type plan = scheduler_->plan(shape.plan_number, shape.lowered.program,
                                        store.budget_bytes(), state.options.passes_in_flight);
    if (!shape.made.empty()) plan = beside_.plan(shape, std::move(plan), store, state.options);
    state.report.plan_seconds +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return plan;
  }

  /// The plan of a pass that recomputes nothing, for a store `without_budget`.
  [[nodiscard]] choice_type choose_keeping_all(const LoweredShape& shape,
                                               const store_type& /*store*/) const {
    const Program& program = shape.lowered.program;
    return std::make_shared<const Plan>(
        Plan{.schedule = schedule_from_saved(program, SavedSet(program.values().size(), 1))});
  }

  /// A store like another one, without an end to its budget.
  [[nodiscard]] static store_type without_budget(const store_type& store) {
    return store_type(store.forms());
  }

  /// Reports the plan of a pass that runs.
  void note(const choice_type& plan, RunReport& report) const {
    report.predicted_peak_bytes = std::max(report.predicted_peak_bytes, plan->peak_bytes);
    report.lower_bound_cost += plan->lower_bound_cost;
  }

  /// The next pass over these shapes has a plan of its own.
  void forget(const LoweredShape& shape) {
    scheduler_->forget(shape.plan_number);
    beside_.forget(shape.plan_number);
  }

  /// Passes over these shapes make more than their plan was made for: it is made anew, unless the
  /// scheduler's plans are frozen.
  void outgrow(const LoweredShape& shape) {
    if (!holds_plans()) forget(shape);
  }

  /// Whether no plan may change now.
  [[nodiscard]] bool holds_plans() const noexcept {
    if constexpr (requires { scheduler_->is_frozen(); }) return scheduler_->is_frozen();
    return false;
  }

 private:
  template <StatisticsTracker Tracker>
  [[nodiscard]] std::span<const double> statistics_for(const Tracker& tracker,
                                                       [[maybe_unused]] std::uint64_t step) const {
    if constexpr (requires { scheduler_->wants_statistics(step); }) {
      if (!scheduler_->wants_statistics(step)) return {};
    }
    return tracker.statistics();
  }

  Scheduler* scheduler_;
  PlansWithLanes beside_;
};

}  // namespace reprise::inline v0::running
