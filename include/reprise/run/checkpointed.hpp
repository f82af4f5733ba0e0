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
#include <istream>
#include <memory>
#include <ostream>
#include <ranges>
#include <reprise/core/error.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/state_words.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/core/units.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/program/lowering.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <reprise/program/sweep_forward.hpp>
#include <reprise/run/checkpointed_arguments.hpp>
#include <reprise/run/checkpointed_options.hpp>
#include <reprise/run/evicting_player.hpp>
#include <reprise/run/graph_fingerprint.hpp>
#include <reprise/run/known_shapes.hpp>
#include <reprise/run/lowered_shape.hpp>
#include <reprise/run/micro_batches.hpp>
#include <reprise/run/pass.hpp>
#include <reprise/run/pass_comparison.hpp>
#include <reprise/run/run_report.hpp>
#include <reprise/run/run_state.hpp>
#include <reprise/run/scheduled_player.hpp>
#include <reprise/run/step_verification.hpp>
#include <reprise/run/tensor_range.hpp>
#include <reprise/scheduler/no_scheduler.hpp>
#include <reprise/scheduler/plan_scheduler.hpp>
#include <reprise/stats/no_tracker.hpp>
#include <reprise/stats/statistics_tracker.hpp>
#include <reprise/store/remat_store.hpp>
#include <reprise/store/scheduled.hpp>
#include <reprise/store/store_policy.hpp>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

namespace running {

/// What plays a pass over a store: a policy that evicts runs operation by operation,
template <LayerGraph G, StorePolicy P>
struct PlayerOver {
  using type = EvictingPlayer<G, P>;
};
/// and a plan is played action by action.
template <LayerGraph G>
struct PlayerOver<G, Scheduled> {
  using type = ScheduledPlayer<G>;
};

}  // namespace running

/// Trains an engine's layer graph within the budget of a store: what is kept is kept, what is
/// dropped is recomputed when backward needs it, and no gradient changes by a bit.
///
/// Composed by its user from the graph, the statistics of its gradients, the scheduler that makes
/// plans, and the store that holds the values:
/// - Over a `RematStore<Scheduled>` it plays the plans of the scheduler. A node is told whether its
///   saved state will be recomputed, and whether its output is wanted.
/// - Over a `RematStore` that evicts, nothing is planned, and there is neither a scheduler nor a
///   tracker: each operation makes the room that it needs. It does what `run_online` foretells for
///   `program()` and the same policy and budget, event for event; a pass in flight evicts its own
///   values only. Nodes are never told that their saved state will be recomputed, and never to skip
///   an output, since nobody knows beforehand. A budget that turns out too small in the middle of a
///   pass ends the pass, and nothing of it is held.
///
/// Bytes and costs of the nodes come from the engine where the graph has `profile(inputs)`,
/// otherwise from one measuring forward for each set of input shapes.
///
/// One pass at a time, unless `passes_in_flight` says more; different objects on different stores
/// are independent. A node must not call back into the object that runs it: gradients of gradients
/// are refused. An exception that the engine throws passes through unchanged: the pass is over,
/// nothing of it is held, the tracker has not counted the step, and the next `begin_step` may
/// follow.
///
/// Borrows graph, tracker, scheduler and store, which must outlive it and must not move; nor may
/// the graph grow. Each tracker is of one graph. It moves itself while no node runs, and is not
/// copied.
/// @tparam Tracker   `NoTracker` where no planner reads statistics
/// @tparam Scheduler `NoScheduler` over a store that evicts
template <LayerGraph G, StatisticsTracker Tracker, class Scheduler,
          ValueStore Store = RematStore<Scheduled>>
requires SchedulerOf<Scheduler, Store>
class Checkpointed {
  using Player = typename running::PlayerOver<G, typename Store::policy_type>::type;

  static_assert(Store::evicts || !std::same_as<Tracker, NoTracker> ||
                    StatisticsFreeScheduler<Scheduler>,
                "the scheduler's planner reads gradient statistics: hand over a tracker, as in "
                "Checkpointed net{graph, tracker, scheduler, store}");

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
  using tensor_type = typename G::tensor_type;  ///< what nodes exchange
  using pass_type = Pass<G, Player>;            ///< between its forward and its backward

  /// @throws InvalidGraph if the graph breaks a rule (see `check_graph`); InvalidArgument if
  ///   several passes are to be in flight over nodes that keep state in themselves, or if none may
  ///   be in flight or no shape be remembered, or if replay is to be verified of tensors without a
  ///   checksum.
  Checkpointed(G& graph, Tracker& tracker, Scheduler& scheduler, Store& store,
               CheckpointedOptions options = {})
      : Checkpointed(std::move(options), graph, tracker, scheduler, store) {}

  /// Without a tracker, for a StatisticsFreeScheduler.
  /// @throws InvalidGraph and InvalidArgument as with one.
  Checkpointed(G& graph, Scheduler& scheduler, Store& store,
               CheckpointedOptions options = {}) requires std::same_as<Tracker, NoTracker>
      : Checkpointed(std::move(options), graph, NoTracker{}, scheduler, store) {}

  /// Without a scheduler, over a store that evicts.
  /// @throws InvalidGraph and InvalidArgument as with one.
  Checkpointed(G& graph, Store& store, CheckpointedOptions options = {}) requires
      std::same_as<Tracker, NoTracker> && std::same_as<Scheduler, NoScheduler>
      : Checkpointed(std::move(options), graph, NoTracker{}, NoScheduler{}, store) {}

  /// Begins an optimiser step: freezes the statistics that its plans use. A step that was begun and
  /// not ended is forgotten, with its number given to this one.
  /// @throws InvalidState if a pass is still in flight, or called by a node that runs.
  void begin_step() {
    check_not_playing("begin_step");
    check_none_in_flight("begin_step");
    tracker().abandon_step();
    if constexpr (!Store::evicts) scheduler().begin_step(statistics_for_plans(), step_);
    micro_batches_.begin_step();
    is_in_step_ = true;
    clear_report();
  }

  /// Ends the step: parameter gradients are final, the tracker reads them.
  /// @param scale passed on to the tracker, such as a loss scale
  /// @throws InvalidState if no step was begun, a pass is in flight, or called by a node that runs;
  ///   and what the tracker throws.
  template <class... Scale>
  void end_step(const Scale&... scale) {
    check_not_playing("end_step");
    if (!is_in_step_) throw InvalidState("end_step without begin_step");
    check_none_in_flight("end_step");
    tracker().end_step(scale...);
    ++step_;
    is_in_step_ = false;
  }

  /// Runs a forward pass. The inputs are borrowed: they must live, unchanged, until the pass's
  /// backward has run or the pass is dropped.
  ///
  /// A forward that throws has not been: called again in the step, it draws the same random
  /// numbers. So it is after a backward that throws; what that has added to parameter gradients is
  /// the engine's to set to zero. A pass that is destroyed without a backward keeps its number.
  /// @throws InvalidState outside a step, with too many passes in flight, or called by a node that
  ///   runs; InvalidArgument for a wrong number of inputs; BudgetInfeasible if no plan fits, or,
  ///   over a store that evicts, BudgetExceeded if it does not fit although nothing is left to
  ///   evict; ProfileMismatch if a tensor is larger than its profile and there is no room for it;
  ///   SharedStorage; ReplayMismatch; and what the engine throws.
  template <std::same_as<tensor_type>... Inputs>
  [[nodiscard]] pass_type forward(const Inputs&... inputs) {
    return run_forward(running::pointers_to<tensor_type>(inputs...));
  }
  /// The same for a list of inputs, or of pointers to them, in the order of the graph's. The
  /// tensors are borrowed, the list is not. Linear in them.
  template <BorrowedTensorRange<tensor_type> R>
  [[nodiscard]] pass_type forward(R&& inputs) {
    return run_forward(running::pointers_to_all<tensor_type>("forward", inputs));
  }
  /// Refused: an input without a name is gone when backward needs it.
  template <class... Inputs>
  requires(running::TemporaryTensors<Inputs, tensor_type> ||
           ...) running::InputsAreBorrowedUntilBackwardAndNeedANameOfTheirOwn forward(Inputs&&...)
  = delete;

  /// Refused: what is neither a tensor of the graph's type nor a list of them.
  template <class... Inputs>
  requires(!(std::same_as<std::remove_cvref_t<Inputs>, tensor_type> && ...) &&
           !(running::TemporaryTensors<Inputs, tensor_type> || ...) &&
           !(sizeof...(Inputs) == 1 && (BorrowedTensorRange<Inputs, tensor_type> && ...)))
      running::ForwardTakesTensorsOfTheGraphsOwnTypeOrOneListOfThem forward(Inputs&&...)
  = delete;

  /// Runs the backward of a pass and returns the gradients of the graph's inputs, empty where they
  /// are not wanted.
  /// @param gradients of the graph's outputs, in their order; they are taken over
  /// @throws InvalidState if the pass was taken before (a second backward needs a second forward),
  ///   or called by a node that runs; InvalidArgument if another object made the pass, or for a
  ///   wrong number of gradients; and as `forward`.
  template <std::same_as<tensor_type>... Gradients>
  std::vector<tensor_type> backward(pass_type&& pass, Gradients... gradients) {
    std::vector<tensor_type> list;
    list.reserve(sizeof...(Gradients));
    (list.push_back(std::move(gradients)), ...);
    return run_backward(pass, list);
  }
  /// The same for a list of gradients.
  std::vector<tensor_type> backward(pass_type&& pass, std::vector<tensor_type> gradients) {
    return run_backward(pass, gradients);
  }
  /// The same for gradients that lie in a row, which are moved from.
  template <std::size_t extent>
  std::vector<tensor_type> backward(pass_type&& pass, std::span<tensor_type, extent> gradients) {
    return run_backward(pass, gradients);
  }

  /// Refused: backward takes the pass over.
  template <class P, class Why = running::BackwardTakesThePassOverSoMoveIt, class... Gradients>
  requires std::same_as<std::remove_const_t<P>, pass_type> running::BackwardTakesThePassOverSoMoveIt
  backward(P& pass, Gradients&&...)
  = delete;

  /// Forgets what is remembered of the shapes of these inputs: the next forward that shows them
  /// starts anew. Passes in flight are not affected.
  /// @returns whether they were known
  /// @throws InvalidState if called by a node that runs; InvalidArgument for a wrong number of
  ///   inputs.
  template <std::same_as<tensor_type>... Inputs>
  bool forget_shapes(const Inputs&... inputs) {
    return run_forget(running::pointers_to<tensor_type>(inputs...));
  }
  /// The same for a list of inputs, or of pointers to them, in the order of the graph's.
  template <TensorRange<tensor_type> R>
  bool forget_shapes(R&& inputs) {
    return run_forget(running::pointers_to_all<tensor_type>("forget_shapes", inputs));
  }

  /// Runs one whole pass as `forward` and `backward` do, and once more with everything kept,
  /// outside the budget, and compares the gradients of all parameters and graph inputs to the bit.
  ///
  /// Call it inside a step, before its first forward. Both passes start from the same engine's own
  /// state (`capture_state`), and it is that of one pass afterwards; running statistics move in the
  /// pass within the budget only. Afterwards the parameter gradients are those of one pass. What it
  /// recomputes is no part of the report. Of a node that may have parameters and has no
  /// `for_each_gradient`, what its backward reads is compared instead.
  /// @param loss makes the gradients of the graph's outputs: called with a span of pointers to
  ///   them, returns a `std::vector<tensor_type>`
  /// @param zero_gradients sets all parameter gradients to zero
  /// @returns what was compared, and the nodes of which no gradient could be
  /// @throws ReplayMismatch naming the layer and the first gradient that differs; InvalidGraph,
  ///   which says what is missing, if no parameter gradient can be compared and a node may have
  ///   one, or if nothing at all can be; and as `forward`.
  template <class Loss, std::invocable Zero, std::same_as<tensor_type>... Inputs>
  StepVerification verify_step(Loss&& loss, Zero&& zero_gradients, const Inputs&... inputs) {
    return run_verified(loss, zero_gradients, running::pointers_to<tensor_type>(inputs...));
  }
  /// The same for a list of inputs, or of pointers to them, in the order of the graph's.
  template <class Loss, std::invocable Zero, TensorRange<tensor_type> R>
  StepVerification verify_step(Loss&& loss, Zero&& zero_gradients, R&& inputs) {
    return run_verified(loss, zero_gradients,
                        running::pointers_to_all<tensor_type>("verify_step", inputs));
  }

  /// A forward that keeps nothing for a backward: dropout and its like are off.
  /// @returns the graph's outputs
  /// @throws InvalidArgument for a wrong number of inputs; and what the engine throws.
  template <std::same_as<tensor_type>... Inputs>
  [[nodiscard]] std::vector<tensor_type> infer(const Inputs&... inputs) {
    return infer_from(running::pointers_to<tensor_type>(inputs...));
  }
  /// The same for a list of inputs, or of pointers to them, in the order of the graph's.
  template <TensorRange<tensor_type> R>
  [[nodiscard]] std::vector<tensor_type> infer(R&& inputs) {
    return infer_from(running::pointers_to_all<tensor_type>("infer", inputs));
  }

  /// Counts since the last `begin_step`; the peak since that of any object on the same store.
  /// @throws InvalidState if it was moved from.
  [[nodiscard]] RunReport report() const {
    check_not_moved_from("report");
    RunReport report = state_->report;
    report.peak_bytes = store_->peak_bytes();
    return report;
  }

  /// Bytes held now by all passes in flight on the store.
  [[nodiscard]] byte_count live_bytes() const noexcept { return store_->live_bytes(); }

  /// Steps ended so far: the number of the step that runs or comes next.
  [[nodiscard]] std::uint64_t step() const noexcept { return step_; }
  /// Takes up training at a step: its number names the random streams.
  /// @throws InvalidState inside a step, whose passes would draw the numbers of two.
  void resume_at(std::uint64_t step) {
    check_not_playing("resume_at");
    if (is_in_step_) throw InvalidState("resume_at inside a step: end it first");
    step_ = step;
  }

  /// Sets of input shapes that are remembered now, each with its profile and its program: at most
  /// as many as the options say, those used last.
  [[nodiscard]] std::size_t shape_count() const noexcept { return shapes_.size(); }

  /// Writes what the next steps depend on beside the tracker's and the scheduler's own state: the
  /// step, and the profiles of the shapes that are remembered, so that costs measured in seconds
  /// decide the same again. Binary, the same on every machine, with a checksum. A step that has not
  /// ended is no part of it. Linear in the nodes of all shapes.
  /// @throws Error if the stream refuses the bytes.
  void save(std::ostream& out) const {
    check_not_moved_from("save");
    check_graph_is_as_it_was("save");
    StateWriter writer;
    writer.word(running::graph_fingerprint(*graph_));
    writer.word(step_);
    shapes_.save(writer);
    writer.write(out, state_format);
  }

  /// Takes up the state that `save` wrote, over the same graph; with the tracker's and the
  /// scheduler's state loaded as well, the same steps make the same decisions. Of more shapes than
  /// this object remembers it takes those used last. Reads no byte beyond it.
  /// @throws InvalidState if a pass is in flight, or called by a node that runs; CorruptState if it
  /// is truncated, damaged, of
  ///   another version or of another model. Nothing has changed then.
  void load(std::istream& in) {
    check_not_playing("load");
    check_graph_is_as_it_was("load");
    check_none_in_flight("load");
    StateReader reader(in, state_format);
    if (reader.word() != running::graph_fingerprint(*graph_)) {
      reader.refuse("of another model than this one of " + std::to_string(graph_->size()) +
                    " nodes");
    }
    const std::uint64_t step = reader.word();
    running::KnownShapes<G> shapes(*graph_, options().max_shapes, options().input_gradients);
    shapes.load(reader);
    reader.expect_end();
    shapes_ = std::move(shapes);
    step_ = step;
    last_shape_.reset();
    is_in_step_ = false;
  }

  /// The program for the shapes of the last forward; valid until the next one.
  /// @throws InvalidState before the first.
  [[nodiscard]] const Program& program() const {
    if (!last_shape_) throw InvalidState("no forward has shown its shapes yet");
    return last_shape_->lowered.program;
  }

  /// Not copied: a copy would count in the same report.
  Checkpointed(const Checkpointed&) = delete;
  /// Not copied, either.
  Checkpointed& operator=(const Checkpointed&) = delete;
  /// Passes in flight stay its own.
  Checkpointed(Checkpointed&&) noexcept = default;
  /// The same.
  Checkpointed& operator=(Checkpointed&&) noexcept = default;
  ~Checkpointed() = default;

 private:
  using Pointers = std::vector<tensor_type*>;
  using Strategy = typename Player::strategy;

  // One without state needs no owner.
  template <class T, class None>
  using Held = std::conditional_t<std::same_as<T, None>, None, std::reference_wrapper<T>>;

  Checkpointed(CheckpointedOptions&& options, G& graph, Held<Tracker, NoTracker> tracker,
               Held<Scheduler, NoScheduler> scheduler, Store& store)
      : graph_(&graph),
        tracker_(tracker),
        scheduler_(scheduler),
        store_(&store),
        state_(std::make_shared<running::RunState>()),
        counts_(counts_of(graph)),
        layers_(layer_count(graph)),
        shapes_(graph, options.max_shapes, options.input_gradients) {
    check_graph(graph);
    state_->options = std::move(options);
    check_options();
    clear_report();
  }

  [[nodiscard]] Tracker& tracker() noexcept { return tracker_; }
  [[nodiscard]] Scheduler& scheduler() noexcept { return scheduler_; }
  [[nodiscard]] const CheckpointedOptions& options() const noexcept { return state_->options; }

  struct GraphCounts {
    std::size_t nodes = 0;
    std::size_t inputs = 0;
    std::size_t outputs = 0;

    [[nodiscard]] std::string described() const {
      return std::to_string(nodes) + " nodes, " + std::to_string(inputs) + " inputs and " +
             std::to_string(outputs) + " outputs";
    }
    friend bool operator==(const GraphCounts&, const GraphCounts&) = default;
  };

  [[nodiscard]] static GraphCounts counts_of(const G& graph) {
    return {.nodes = graph.size(),
            .inputs = graph.input_count(),
            .outputs = std::ranges::size(graph.outputs())};
  }

  // ---- the order of calls ---------------------------------------------------------------------

  // Says that nodes run, so that none of them comes back here.
  class PlayingGuard {
   public:
    explicit PlayingGuard(bool& is_playing) : is_playing_(is_playing) { is_playing_ = true; }
    PlayingGuard(const PlayingGuard&) = delete;
    PlayingGuard& operator=(const PlayingGuard&) = delete;
    ~PlayingGuard() { is_playing_ = false; }

   private:
    bool& is_playing_;
  };

  void check_not_moved_from(const char* call) const {
    if (!state_) throw InvalidState(std::string(call) + " of an object that was moved from");
  }

  void check_not_playing(const char* call) const {
    check_not_moved_from(call);
    if (!is_playing_) return;
    throw InvalidState(std::string(call) +
                       " called by a node that it runs: gradients of gradients are not supported");
  }

  // What was planned and is counted is of the graph as it was.
  void check_graph_is_as_it_was(const char* call) const {
    const GraphCounts now = counts_of(*graph_);
    if (now == counts_) return;
    throw InvalidState(std::string(call) + " over a graph that has changed: it had " +
                       counts_.described() + " and has " + now.described() +
                       " now; a graph neither moves nor grows once an object trains it");
  }

  void check_none_in_flight(const char* call) const {
    if (state_->passes_alive == 0) return;
    throw InvalidState(std::string(call) + " with " + std::to_string(state_->passes_alive) +
                       " passes in flight");
  }

  void check_input_count(const char* call, std::size_t given) const {
    if (given == graph_->input_count()) return;
    throw InvalidArgument(std::string(call) + " was given " + std::to_string(given) +
                          " inputs, the graph has " + std::to_string(graph_->input_count()));
  }

  void check_forward(const char* call, std::size_t inputs) const {
    check_not_playing(call);
    check_graph_is_as_it_was(call);
    if (!is_in_step_) throw InvalidState(std::string(call) + " without begin_step");
    check_input_count(call, inputs);
    if (state_->passes_alive >= options().passes_in_flight) {
      throw InvalidState(std::to_string(state_->passes_alive) + " of " +
                         std::to_string(options().passes_in_flight) +
                         " passes are in flight already");
    }
  }

  void check_options() const {
    if (options().verify_replay && !ChecksummableTensor<tensor_type>) {
      throw InvalidArgument(
          "verify_replay has nothing to compare: tensor_traits of the graph's tensor has no "
          "checksum");
    }
    if (options().passes_in_flight == 0) {
      throw InvalidArgument("0 passes in flight leave nothing to run");
    }
    if (options().max_shapes == 0) {
      throw InvalidArgument("0 remembered shapes leave none for the pass that runs");
    }
    if (options().passes_in_flight > 1) check_state_is_passed_on();
  }

  void check_state_is_passed_on() const {
    if constexpr (requires { graph_->release_resident(std::size_t{}); }) {
      for (std::size_t node = 0; node < graph_->size(); ++node) {
        if (!static_cast<NodeTraits>(graph_->traits(node)).has_resident_state) continue;
        throw InvalidArgument("node " + std::to_string(node) +
                              " keeps state in itself: only 1 pass can be in flight, not " +
                              std::to_string(options().passes_in_flight));
      }
    }
  }

  // ---- what is kept ---------------------------------------------------------------------------

  [[nodiscard]] std::span<const double> statistics_for_plans() {
    if constexpr (requires { scheduler().wants_statistics(std::uint64_t{}); }) {
      if (!scheduler().wants_statistics(step_)) return {};
    }
    return tracker().statistics();
  }

  [[nodiscard]] Strategy strategy_for(const LoweredShape& shape) {
    if constexpr (Store::evicts) {
      return store_->policy();
    } else {
      const auto start = std::chrono::steady_clock::now();
      Strategy plan = scheduler().plan(shape.plan_number, shape.lowered.program,
                                       store_->budget_bytes(), options().passes_in_flight);
      state_->report.plan_seconds +=
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      return plan;
    }
  }

  // A policy evicts nothing where the budget has no end.
  [[nodiscard]] Strategy strategy_keeping_all(const LoweredShape& shape) const {
    if constexpr (Store::evicts) {
      return store_->policy();
    } else {
      const Program& program = shape.lowered.program;
      return std::make_shared<const Plan>(
          Plan{.schedule = schedule_from_saved(program, SavedSet(program.values().size(), 1))});
    }
  }

  [[nodiscard]] Store without_budget() const {
    if constexpr (Store::evicts) {
      return Store(store_->policy());
    } else {
      return Store();
    }
  }

  void note_strategy(const Strategy& strategy) {
    if constexpr (!Store::evicts) {
      RunReport& report = state_->report;
      report.predicted_peak_bytes = std::max(report.predicted_peak_bytes, strategy->peak_bytes);
      report.lower_bound_cost += strategy->lower_bound_cost;
    }
  }

  // A plan is made for a shape, a policy is not.
  void forget_strategy(const LoweredShape& shape) {
    if constexpr (!Store::evicts) scheduler().forget(shape.plan_number);
  }

  // A plan that goes on with more than it was made for is made anew; a frozen one is not.
  void outgrow_strategy(const LoweredShape& shape) {
    if constexpr (requires { scheduler().is_frozen(); }) {
      if (scheduler().is_frozen()) return;
    }
    forget_strategy(shape);
  }

  // ---- passes ---------------------------------------------------------------------------------

  [[nodiscard]] pass_type run_forward(Pointers inputs) {
    check_forward("forward", inputs.size());
    const PlayingGuard playing(is_playing_);
    const PassContext::Identity identity = identity_of(micro_batches_.next());
    const std::shared_ptr<const LoweredShape> shape = shape_for(inputs, identity);
    Strategy strategy = strategy_for(*shape);
    ++state_->report.passes;
    state_->report.cost_is_flops = shape->lowered.program.cost_is_flops();
    note_strategy(strategy);
    auto player = std::make_unique<Player>(*graph_, *store_, state_, shape, std::move(strategy),
                                           std::move(inputs), identity);
    noting(*player, [&] { player->play_forward(); });
    last_shape_ = shape;
    micro_batches_.take();
    return pass_type(std::move(player));
  }

  [[nodiscard]] std::vector<tensor_type> run_backward(pass_type& pass,
                                                      std::span<tensor_type> gradients) {
    const std::unique_ptr<Player> player = take(pass);
    std::vector<tensor_type> made;
    noting(*player, [&] { made = play_backward_of(*player, gradients); });
    return made;
  }

  [[nodiscard]] std::unique_ptr<Player> take(pass_type& pass) const {
    check_not_playing("backward");
    check_graph_is_as_it_was("backward");
    if (!pass) throw InvalidState("backward of a pass that backward has taken");
    if (!pass.player()->is_of(state_)) throw InvalidArgument("backward of another object's pass");
    return pass.release();
  }

  [[nodiscard]] std::vector<tensor_type> play_backward_of(Player& player,
                                                          std::span<tensor_type> gradients) {
    const PlayingGuard playing(is_playing_);
    try {
      return player.play_backward(gradients);
    } catch (...) {
      micro_batches_.give_back(player.micro_batch());
      throw;
    }
  }

  template <class Loss, class Zero>
  [[nodiscard]] StepVerification run_verified(Loss& loss, Zero& zero_gradients,
                                              const Pointers& inputs) {
    check_forward("verify_step", inputs.size());
    const PlayingGuard playing(is_playing_);
    const PassContext::Identity identity = identity_of(0);
    const std::shared_ptr<const LoweredShape> shape = shape_for(inputs, identity);
    const Strategy strategy = strategy_for(*shape);
    const Store unlimited = without_budget();
    const auto player = [&](const Store& store, const Strategy& chosen, PassMode mode) {
      return std::make_unique<Player>(*graph_, store, std::make_shared<running::RunState>(*state_),
                                      shape, chosen, inputs, identity, mode);
    };
    return growing_on_mismatch(*shape, [&] {
      return running::PassComparison<G>(*graph_, options().input_gradients)
          .run([&] { return player(*store_, strategy, PassMode::training); },
               [&] { return player(unlimited, strategy_keeping_all(*shape), PassMode::profiling); },
               loss, zero_gradients);
    });
  }

  [[nodiscard]] std::vector<tensor_type> infer_from(const Pointers& inputs) {
    check_not_playing("infer");
    check_graph_is_as_it_was("infer");
    check_input_count("infer", inputs.size());
    auto made = sweep_forward(*graph_, std::span<tensor_type* const>(inputs),
                              PassContext(identity_of(0), PassMode::inference), true);
    std::vector<tensor_type> outputs;
    for (const Source& output : graph_->outputs()) {
      outputs.push_back(std::move(made[output.node][output.port]));
    }
    return outputs;
  }

  [[nodiscard]] PassContext::Identity identity_of(std::uint64_t micro_batch) const {
    return {.seed = options().seed, .step = step_, .micro_batch = micro_batch};
  }

  // ---- shapes ---------------------------------------------------------------------------------

  [[nodiscard]] std::shared_ptr<const LoweredShape> shape_for(std::span<tensor_type* const> inputs,
                                                              PassContext::Identity identity) {
    auto found = shapes_.find_or_make(inputs, identity);
    RunReport& report = state_->report;
    report.profile_bytes = std::max(report.profile_bytes, found.measured_bytes);
    return std::move(found.shape);
  }

  [[nodiscard]] bool run_forget(std::span<tensor_type* const> inputs) {
    check_not_playing("forget_shapes");
    check_input_count("forget_shapes", inputs.size());
    const std::uint64_t signature = shapes_.signature_of(inputs);
    if (const LoweredShape* const known = shapes_.peek(signature)) forget_strategy(*known);
    return shapes_.forget(signature);
  }

  // What a pass makes beyond its profile is known to the next forward, also if the pass fails.
  template <class F>
  void noting(const Player& player, F&& play) {
    try {
      growing_on_mismatch(player.shape(), play);
    } catch (...) {
      note_seen(player);
      throw;
    }
    if (note_seen(player)) outgrow_strategy(player.shape());
  }

  bool note_seen(const Player& player) {
    if (!player.seen()) return false;
    shapes_.grow_to(player.shape().signature, *player.seen());
    return true;
  }

  // A profile that was too small for a pass is measured again by the next forward, and grows.
  template <class F>
  auto growing_on_mismatch(const LoweredShape& shape, F&& f) {
    try {
      return f();
    } catch (const ProfileMismatch&) {
      shapes_.refuse(shape.signature);
      forget_strategy(shape);
      throw;
    }
  }

  static constexpr StateFormat state_format{
      .magic = {'R', 'P', 'R', 'S', 'P', 'R', 'O', 'F'}, .version = 2, .name = "run state"};

  void clear_report() {
    state_->report = RunReport{};
    state_->report.recomputes_per_layer.resize(layers_);
    state_->report.recomputed_cost_per_layer.resize(layers_);
    store_->account()->reset_peak();
  }

  G* graph_;
  [[no_unique_address]] Held<Tracker, NoTracker> tracker_;
  [[no_unique_address]] Held<Scheduler, NoScheduler> scheduler_;
  Store* store_;
  std::shared_ptr<running::RunState> state_;
  GraphCounts counts_;
  std::size_t layers_;  ///< counted once: a step must not walk all nodes for it
  running::KnownShapes<G> shapes_;
  running::MicroBatches micro_batches_;
  std::uint64_t step_ = 0;
  std::shared_ptr<const LoweredShape> last_shape_;
  bool is_in_step_ = false;
  bool is_playing_ = false;
};

/// Without a tracker.
template <LayerGraph G, PlanScheduler Scheduler, ValueStore Store>
Checkpointed(G&, Scheduler&, Store&, CheckpointedOptions = {})
    -> Checkpointed<G, NoTracker, Scheduler, Store>;

/// Over a store that evicts.
template <LayerGraph G, ValueStore Store>
Checkpointed(G&, Store&, CheckpointedOptions = {})
    -> Checkpointed<G, NoTracker, NoScheduler, Store>;

/// Says what is wrong with all other arguments. Not a pack, which GCC 12 takes for empty where the
/// options are a braced list.
template <class A, class B>
Checkpointed(A&&, B&&)
    -> Checkpointed<typename running::DiagnosedArguments<A, B>::graph, NoTracker, NoScheduler>;
/// The same.
template <class A, class B, class C>
Checkpointed(A&&, B&&, C&&)
    -> Checkpointed<typename running::DiagnosedArguments<A, B, C>::graph, NoTracker, NoScheduler>;
/// The same.
template <class A, class B, class C, class D>
Checkpointed(A&&, B&&, C&&, D&&)
    -> Checkpointed<typename running::DiagnosedArguments<A, B, C, D>::graph, NoTracker,
                    NoScheduler>;
/// The same.
template <class A, class B, class C, class D, class E>
Checkpointed(A&&, B&&, C&&, D&&, E&&)
    -> Checkpointed<typename running::DiagnosedArguments<A, B, C, D, E>::graph, NoTracker,
                    NoScheduler>;

}  // namespace reprise::inline v0
