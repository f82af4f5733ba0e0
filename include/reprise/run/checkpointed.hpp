// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Trains a layer graph within a budget.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <ostream>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/units.hpp>
#include <reprise/program/program.hpp>
#include <reprise/run/checkpointed_arguments.hpp>
#include <reprise/run/checkpointed_options.hpp>
#include <reprise/run/pass.hpp>
#include <reprise/run/run_report.hpp>
#include <reprise/run/step_runner.hpp>
#include <reprise/run/step_verification.hpp>
#include <reprise/run/strategy_over.hpp>
#include <reprise/run/tensor_range.hpp>
#include <reprise/scheduler/no_scheduler.hpp>
#include <reprise/scheduler/plan_scheduler.hpp>
#include <reprise/stats/no_tracker.hpp>
#include <reprise/stats/statistics_tracker.hpp>
#include <reprise/store/remat_store.hpp>
#include <reprise/store/scheduled.hpp>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

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
  using Strategy = running::strategy_over<G, Scheduler, Store>;

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
  /// A pass between its forward and its backward.
  using pass_type = Pass<G, typename Strategy::player_type>;

  /// @throws InvalidGraph if the graph breaks a rule (see `check_graph`); InvalidArgument if
  ///   several passes are to be in flight over nodes that keep state in themselves, or if none may
  ///   be in flight or no shape be remembered, or if replay is to be verified of tensors without a
  ///   checksum.
  Checkpointed(G& graph, Tracker& tracker, Scheduler& scheduler, Store& store,
               CheckpointedOptions options = {})
      : runner_(graph, tracker, Strategy(scheduler), store, std::move(options)) {}

  /// Without a tracker, for a StatisticsFreeScheduler.
  /// @throws InvalidGraph and InvalidArgument as with one.
  Checkpointed(G& graph, Scheduler& scheduler, Store& store,
               CheckpointedOptions options = {}) requires std::same_as<Tracker, NoTracker>
      : runner_(graph, NoTracker{}, Strategy(scheduler), store, std::move(options)) {}

  /// Without a scheduler, over a store that evicts.
  /// @throws InvalidGraph and InvalidArgument as with one.
  Checkpointed(G& graph, Store& store, CheckpointedOptions options = {}) requires
      std::same_as<Tracker, NoTracker> && std::same_as<Scheduler, NoScheduler>
      : runner_(graph, NoTracker{}, Strategy(NoScheduler{}), store, std::move(options)) {}

  /// Begins an optimiser step: freezes the statistics that its plans use. A step that was begun and
  /// not ended is forgotten, with its number given to this one.
  /// @throws InvalidState if a pass is still in flight, or called by a node that runs.
  void begin_step() { runner_.begin_step(); }

  /// Ends the step: parameter gradients are final, the tracker reads them.
  /// @param scale passed on to the tracker, such as a loss scale
  /// @throws InvalidState if no step was begun, a pass is in flight, or called by a node that runs;
  ///   and what the tracker throws.
  template <class... Scale>
  void end_step(const Scale&... scale) {
    runner_.end_step(scale...);
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
    return runner_.forward(running::pointers_to<tensor_type>(inputs...));
  }
  /// The same for a list of inputs, or of pointers to them, in the order of the graph's. The
  /// tensors are borrowed, the list is not. Linear in them.
  template <BorrowedTensorRange<tensor_type> R>
  [[nodiscard]] pass_type forward(R&& inputs) {
    return runner_.forward(running::pointers_to_all<tensor_type>("forward", inputs));
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
    return runner_.backward(pass, list);
  }
  /// The same for a list of gradients.
  std::vector<tensor_type> backward(pass_type&& pass, std::vector<tensor_type> gradients) {
    return runner_.backward(pass, gradients);
  }
  /// The same for gradients that lie in a row, which are moved from.
  template <std::size_t extent>
  std::vector<tensor_type> backward(pass_type&& pass, std::span<tensor_type, extent> gradients) {
    return runner_.backward(pass, gradients);
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
    return runner_.forget_shapes(running::pointers_to<tensor_type>(inputs...));
  }
  /// The same for a list of inputs, or of pointers to them, in the order of the graph's.
  template <TensorRange<tensor_type> R>
  bool forget_shapes(R&& inputs) {
    return runner_.forget_shapes(running::pointers_to_all<tensor_type>("forget_shapes", inputs));
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
    return runner_.verify_step(loss, zero_gradients, running::pointers_to<tensor_type>(inputs...));
  }
  /// The same for a list of inputs, or of pointers to them, in the order of the graph's.
  template <class Loss, std::invocable Zero, TensorRange<tensor_type> R>
  StepVerification verify_step(Loss&& loss, Zero&& zero_gradients, R&& inputs) {
    return runner_.verify_step(loss, zero_gradients,
                               running::pointers_to_all<tensor_type>("verify_step", inputs));
  }

  /// A forward that keeps nothing for a backward: dropout and its like are off.
  /// @returns the graph's outputs
  /// @throws InvalidArgument for a wrong number of inputs; and what the engine throws.
  template <std::same_as<tensor_type>... Inputs>
  [[nodiscard]] std::vector<tensor_type> infer(const Inputs&... inputs) {
    return runner_.infer(running::pointers_to<tensor_type>(inputs...));
  }
  /// The same for a list of inputs, or of pointers to them, in the order of the graph's.
  template <TensorRange<tensor_type> R>
  [[nodiscard]] std::vector<tensor_type> infer(R&& inputs) {
    return runner_.infer(running::pointers_to_all<tensor_type>("infer", inputs));
  }

  /// Counts since the last `begin_step`; the peak since that of any object on the same store.
  /// @throws InvalidState if it was moved from.
  [[nodiscard]] RunReport report() const { return runner_.report(); }

  /// Bytes held now by all passes in flight on the store.
  [[nodiscard]] byte_count live_bytes() const noexcept { return runner_.live_bytes(); }

  /// Steps ended so far: the number of the step that runs or comes next.
  [[nodiscard]] std::uint64_t step() const noexcept { return runner_.step(); }
  /// Takes up training at a step: its number names the random streams.
  /// @throws InvalidState inside a step, whose passes would draw the numbers of two.
  void resume_at(std::uint64_t step) { runner_.resume_at(step); }

  /// Sets of input shapes that are remembered now, each with its profile and its program: at most
  /// as many as the options say, those used last.
  [[nodiscard]] std::size_t shape_count() const noexcept { return runner_.shape_count(); }

  /// Writes what the next steps depend on beside the tracker's and the scheduler's own state: the
  /// step, and the profiles of the shapes that are remembered, so that costs measured in seconds
  /// decide the same again. Binary, the same on every machine, with a checksum. A step that has not
  /// ended is no part of it. Linear in the nodes of all shapes.
  /// @throws Error if the stream refuses the bytes.
  void save(std::ostream& out) const { runner_.save(out); }

  /// Takes up the state that `save` wrote, over the same graph; with the tracker's and the
  /// scheduler's state loaded as well, the same steps make the same decisions. Of more shapes than
  /// this object remembers it takes those used last. Reads no byte beyond it.
  /// @throws InvalidState if a pass is in flight, or called by a node that runs; CorruptState if it
  /// is truncated, damaged, of
  ///   another version or of another model. Nothing has changed then.
  void load(std::istream& in) { runner_.load(in); }

  /// The program for the shapes of the last forward; valid until the next one.
  /// @throws InvalidState before the first.
  [[nodiscard]] const Program& program() const { return runner_.program(); }

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
  running::StepRunner<G, Tracker, Strategy> runner_;
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
