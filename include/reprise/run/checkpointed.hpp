// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Trains a layer graph within a budget.

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/units.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <reprise/run/action_event.hpp>
#include <reprise/run/lowered_shape.hpp>
#include <reprise/run/pass.hpp>
#include <reprise/run/run_report.hpp>
#include <reprise/run/session.hpp>
#include <reprise/run/shared_state.hpp>
#include <reprise/stats/no_tracker.hpp>
#include <span>
#include <type_traits>
#include <utility>

namespace reprise::inline v0 {

/// How a `Checkpointed` runs.
struct CheckpointedOptions {
  byte_count budget = unlimited_bytes;  ///< for all passes in flight together
  std::uint64_t seed = 0;               ///< of the nodes' random streams
  std::size_t passes_in_flight = 1;     ///< how many passes may be between forward and backward
  bool input_gradients = true;          ///< whether backward hands out the graph inputs' gradients
  std::size_t max_shapes = 64;          ///< sets of input shapes remembered; those used last stay
  bool verify_replay = false;           ///< compare what is recomputed or read with its original
  ActionObserver observer{};            ///< called around each action; empty for none
  ReservedBytes reserved_bytes{};       ///< asks the engine's allocator; empty for none
};

/// Tracks gradient statistics step by step, as `GradientStatTracker` does.
template <class T>
concept StatisticsTracker = requires(T& tracker, const T& constant) {
  { constant.statistics() } -> std::convertible_to<std::span<const double>>;
  tracker.end_step();
  tracker.abandon_step();
};

static_assert(StatisticsTracker<NoTracker>);

/// Makes plans, as `CheckpointScheduler` does.
template <class S>
concept PlanScheduler = requires(S& scheduler, std::uint64_t number, const Program& program,
                                 std::size_t passes, std::span<const double> statistics) {
  scheduler.begin_step(statistics, number);
  {
    scheduler.plan(number, program, byte_count{}, passes)
    } -> std::same_as<std::shared_ptr<const Plan>>;
  scheduler.forget(number);
};

/// A PlanScheduler whose plans need no statistics: `static constexpr bool reads_statistics` is
/// false.
template <class S>
concept StatisticsFreeScheduler =
    PlanScheduler<S> && std::bool_constant<!S::reads_statistics>::value;

/// Plays plans over an engine's layer graph: what is kept is kept, what is dropped is recomputed
/// when backward needs it, and no gradient changes by a bit.
///
/// Bytes and costs of the nodes come from the engine where the graph has `profile(inputs)`,
/// otherwise from one measuring forward for each set of input shapes.
///
/// One pass at a time, unless `passes_in_flight` says more; different objects are independent. A
/// node must not call back into the object that runs it: gradients of gradients are refused. An
/// exception that the engine throws passes through unchanged: the pass is over, nothing of it is
/// held, the tracker has not counted the step, and the next `begin_step` may follow.
/// Borrows graph, tracker and scheduler, which must outlive it and must not move; it moves itself
/// while no node runs, and is not copied.
/// @tparam Tracker `NoTracker` where no planner reads statistics
template <LayerGraph G, StatisticsTracker Tracker, PlanScheduler Scheduler>
class Checkpointed
    : public running::Session<Checkpointed<G, Tracker, Scheduler>, G, running::Player<G>> {
  using Session = running::Session<Checkpointed, G, running::Player<G>>;
  friend Session;

  static_assert(!std::same_as<Tracker, NoTracker> || StatisticsFreeScheduler<Scheduler>,
                "the scheduler's planner reads gradient statistics: hand over a tracker, as in "
                "Checkpointed net{graph, tracker, scheduler}");

  // A tracker of registered gradients over nodes that show none would be silent for ever.
  static constexpr bool has_silent_tracker = requires(const Tracker& t, std::size_t layer) {
    t.has_statistic(layer);
    requires !G::shows_gradients;
    requires Scheduler::reads_statistics;
  };
  static_assert(!has_silent_tracker,
                "the scheduler's planner reads gradient statistics and the graph's nodes show no "
                "gradients: a node needs for_each_gradient(f), which calls f with a span of each "
                "(an empty one where the tracker is shown them by observe)");

 public:
  using typename Session::pass_type;
  using typename Session::tensor_type;

  /// @throws InvalidGraph if the graph breaks a rule (see `check_graph`); InvalidArgument if
  ///   several passes are to be in flight over nodes that keep state in themselves, or if none may
  ///   be in flight or no shape be remembered, or if replay is to be verified of tensors without a
  ///   checksum.
  Checkpointed(G& graph, Tracker& tracker, Scheduler& scheduler, CheckpointedOptions options = {})
      : Session(graph, session_options_of(options), shared_of(std::move(options))),
        tracker_(tracker),
        scheduler_(&scheduler) {}

  /// Without a tracker, for a StatisticsFreeScheduler.
  /// @throws InvalidGraph and InvalidArgument as with one.
  Checkpointed(G& graph, Scheduler& scheduler,
               CheckpointedOptions options = {}) requires std::same_as<Tracker, NoTracker>
      : Session(graph, session_options_of(options), shared_of(std::move(options))),
        scheduler_(&scheduler) {}

  /// Begins an optimiser step: freezes the statistics that its plans use. A step that was begun and
  /// not ended is forgotten, with its number given to this one.
  /// @throws InvalidState if a pass is still in flight, or called by a node that runs.
  void begin_step() {
    this->check_begin();
    tracker().abandon_step();
    scheduler_->begin_step(statistics_for_plans(), this->step());
    this->begin();
  }

  /// Ends the step: parameter gradients are final, the tracker reads them.
  /// @param scale passed on to the tracker, such as a loss scale
  /// @throws InvalidState if no step was begun, a pass is in flight, or called by a node that runs;
  ///   and what the tracker throws.
  template <class... Scale>
  void end_step(const Scale&... scale) {
    this->check_end();
    tracker().end_step(scale...);
    this->end();
  }

 private:
  // One without state needs no owner.
  using HeldTracker = std::conditional_t<std::same_as<Tracker, NoTracker>, NoTracker,
                                         std::reference_wrapper<Tracker>>;

  [[nodiscard]] static running::SessionOptions session_options_of(
      const CheckpointedOptions& options) {
    return {.budget = options.budget,
            .seed = options.seed,
            .passes_in_flight = options.passes_in_flight,
            .input_gradients = options.input_gradients,
            .max_shapes = options.max_shapes};
  }
  [[nodiscard]] static running::Shared shared_of(CheckpointedOptions options) {
    return {.observer = std::move(options.observer),
            .reserved_bytes = std::move(options.reserved_bytes),
            .verify_replay = options.verify_replay};
  }

  [[nodiscard]] std::span<const double> statistics_for_plans() {
    if constexpr (requires { scheduler_->wants_statistics(std::uint64_t{}); }) {
      if (!scheduler_->wants_statistics(this->step())) return {};
    }
    return tracker().statistics();
  }

  [[nodiscard]] std::shared_ptr<const Plan> strategy_for(const LoweredShape& shape) {
    const auto start = std::chrono::steady_clock::now();
    auto plan =
        scheduler_->plan(shape.signature, shape.lowered.program, this->session_options().budget,
                         this->session_options().passes_in_flight);
    this->counts().plan_seconds +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return plan;
  }

  [[nodiscard]] static std::shared_ptr<const Plan> strategy_keeping_all(const LoweredShape& shape) {
    const Program& program = shape.lowered.program;
    return std::make_shared<const Plan>(
        Plan{.schedule = schedule_from_saved(program, SavedSet(program.values().size(), 1))});
  }

  void note_strategy(const std::shared_ptr<const Plan>& plan) {
    RunReport& report = this->counts();
    report.predicted_peak_bytes = std::max(report.predicted_peak_bytes, plan->peak_bytes);
    report.lower_bound_cost += plan->lower_bound_cost;
  }

  void forget_strategy(std::uint64_t signature) { scheduler_->forget(signature); }

  // A plan that goes on with more than it was made for is made anew; a frozen one is not.
  void outgrow_strategy(std::uint64_t signature) {
    if constexpr (requires { scheduler_->is_frozen(); }) {
      if (scheduler_->is_frozen()) return;
    }
    scheduler_->forget(signature);
  }

  [[nodiscard]] Tracker& tracker() noexcept { return tracker_; }

  [[no_unique_address]] HeldTracker tracker_;
  Scheduler* scheduler_;
};

/// Without a tracker.
template <class G, class Scheduler>
Checkpointed(G&, Scheduler&, CheckpointedOptions = {}) -> Checkpointed<G, NoTracker, Scheduler>;

}  // namespace reprise::inline v0
