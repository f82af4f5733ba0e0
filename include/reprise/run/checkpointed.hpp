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
#include <reprise/core/error.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/units.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/program/keep.hpp>
#include <reprise/program/program.hpp>
#include <reprise/run/action_event.hpp>
#include <reprise/run/lowered_shape.hpp>
#include <reprise/run/pass.hpp>
#include <reprise/run/run_report.hpp>
#include <reprise/run/session.hpp>
#include <reprise/run/shared_state.hpp>
#include <reprise/run/step_verification.hpp>
#include <reprise/stats/no_tracker.hpp>
#include <reprise/store/memory_account.hpp>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

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

  [[nodiscard]] pass_type run_forward(std::vector<tensor_type*> inputs) {
    this->check_forward("forward", inputs.size());
    const auto playing = this->playing();
    const PassContext::Identity identity = this->next_identity();
    const std::shared_ptr<const LoweredShape> shape = this->shape_for(inputs, identity);
    const std::shared_ptr<const Plan> plan = plan_for(*shape);
    note_plan(*plan, shape->lowered.program);
    auto player = std::make_unique<running::Player<G>>(this->graph(), this->shared(), shape, plan,
                                                       std::move(inputs), identity);
    noting(*player, [&] { player->play_forward(); });
    this->note_shape(shape);
    this->take_number();
    return pass_type(std::move(player));
  }

  [[nodiscard]] std::vector<tensor_type> run_backward(pass_type& pass,
                                                      std::span<tensor_type> gradients) {
    const std::unique_ptr<running::Player<G>> player = this->take(pass);
    std::vector<tensor_type> made;
    noting(*player, [&] { made = this->play_backward_of(*player, gradients); });
    return made;
  }

  [[nodiscard]] bool run_forget(std::span<tensor_type* const> inputs) {
    const std::uint64_t signature = this->signature_to_forget(inputs);
    scheduler_->forget(signature);
    return this->forget(signature);
  }

  template <class Turn, class Zero>
  [[nodiscard]] StepVerification run_verified(Turn& turn, Zero& zero_gradients,
                                              const std::vector<tensor_type*>& inputs) {
    this->check_forward("verify_step", inputs.size());
    const auto playing = this->playing();
    const PassContext::Identity identity = this->first_identity();
    const std::shared_ptr<const LoweredShape> shape = this->shape_for(inputs, identity);
    const std::shared_ptr<const Plan> plan = plan_for(*shape);
    const auto planned = std::make_shared<running::Shared>(*this->shared());
    const auto apart = std::make_shared<running::Shared>(*this->shared());
    apart->account = std::make_shared<MemoryAccount>();
    apart->observer = nullptr;
    const auto player = [&](const auto& shared, std::shared_ptr<const Plan> under, PassMode mode) {
      return std::make_unique<running::Player<G>>(this->graph(), shared, shape, std::move(under),
                                                  inputs, identity, mode);
    };
    return growing_on_mismatch(shape->signature, [&] {
      return this->compare_passes([&] { return player(planned, plan, PassMode::training); },
                                  [&] {
                                    return player(apart, keep_everything(shape->lowered.program),
                                                  PassMode::profiling);
                                  },
                                  turn, zero_gradients);
    });
  }

  [[nodiscard]] std::span<const double> statistics_for_plans() {
    if constexpr (requires { scheduler_->wants_statistics(std::uint64_t{}); }) {
      if (!scheduler_->wants_statistics(this->step())) return {};
    }
    return tracker().statistics();
  }

  [[nodiscard]] static std::shared_ptr<const Plan> keep_everything(const Program& program) {
    return std::make_shared<const Plan>(
        Plan{.schedule = keep(program, KeepSet(program.values().size(), 1))});
  }

  [[nodiscard]] std::shared_ptr<const Plan> plan_for(const LoweredShape& shape) {
    const auto start = std::chrono::steady_clock::now();
    auto plan =
        scheduler_->plan(shape.signature, shape.lowered.program, this->session_options().budget,
                         this->session_options().passes_in_flight);
    this->shared()->report.plan_seconds +=
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return plan;
  }

  // What a pass makes beyond its profile is known to the next forward, also if the pass fails.
  template <class F>
  void noting(const running::Player<G>& player, F&& play) {
    try {
      growing_on_mismatch(player.signature(), play);
    } catch (...) {
      this->note_seen(player);
      throw;
    }
    if (this->note_seen(player)) forget_outgrown(player.signature());
  }

  // A plan that goes on with more than it was made for is made anew; a frozen one is not.
  void forget_outgrown(std::uint64_t signature) {
    if constexpr (requires { scheduler_->is_frozen(); }) {
      if (scheduler_->is_frozen()) return;
    }
    scheduler_->forget(signature);
  }

  // A profile that was too small grows in the next forward.
  template <class F>
  auto growing_on_mismatch(std::uint64_t signature, F&& f) {
    try {
      return f();
    } catch (const ProfileMismatch&) {
      this->note_refused(signature);
      scheduler_->forget(signature);
      throw;
    }
  }

  void note_plan(const Plan& plan, const Program& program) {
    RunReport& report = this->shared()->report;
    ++report.passes;
    report.cost_is_flops = program.cost_is_flops();
    report.predicted_peak_bytes = std::max(report.predicted_peak_bytes, plan.peak_bytes);
    report.bound_cost += plan.bound_cost;
  }

  [[nodiscard]] Tracker& tracker() noexcept { return tracker_; }

  [[no_unique_address]] HeldTracker tracker_;
  Scheduler* scheduler_;
};

/// Without a tracker.
template <class G, class Scheduler>
Checkpointed(G&, Scheduler&, CheckpointedOptions = {}) -> Checkpointed<G, NoTracker, Scheduler>;

}  // namespace reprise::inline v0
