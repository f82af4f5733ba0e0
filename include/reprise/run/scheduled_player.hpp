// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Plays a plan over a layer graph.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/program/cost/measured_time.hpp>
#include <reprise/program/profile.hpp>
#include <reprise/program/simulate.hpp>
#include <reprise/run/form_calls.hpp>
#include <reprise/run/lower_shape.hpp>
#include <reprise/run/lowered_shape.hpp>
#include <reprise/run/node_calls.hpp>
#include <reprise/run/run_state.hpp>
#include <reprise/run/step_notes.hpp>
#include <reprise/store/action_event.hpp>
#include <reprise/store/program_store.hpp>
#include <reprise/store/remat_store.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0::running {

/// Plays the actions of a plan over the nodes of a layer graph: one forward and backward pass.
template <LayerGraph G, ValueStore Store>
class ScheduledPlayer {
 public:
  using T = typename G::tensor_type;             ///< what nodes exchange
  using S = typename G::saved_type;              ///< what a node saves
  using strategy = std::shared_ptr<const Plan>;  ///< says what is kept

  /// Counts among the passes alive from here on; nothing runs yet. Borrows the graph and the store.
  ScheduledPlayer(G& graph, const Store& store, std::shared_ptr<RunState> state,
                  std::shared_ptr<const LoweredShape> shape, strategy plan, std::vector<T*> inputs,
                  PassContext::Identity identity, PassMode mode = PassMode::training)
      : graph_(graph),
        store_(store),
        state_(std::move(state)),
        shape_(std::move(shape)),
        plan_(std::move(plan)),
        calls_(graph, state_, *shape_, std::move(inputs), PassContext(identity, mode)),
        values_(shape_->lowered.program, store.account()),
        forms_(store, *shape_, calls_.originals(), identity, *state_),
        drops_left_(graph.size(), 0) {
    for (const Action& action : plan_->schedule.actions) {
      if (action.kind == ActionKind::drop && is_saved(action.index)) ++drops_left_[node_of(action)];
    }
    ++state_->passes_alive;
  }

  ScheduledPlayer(const ScheduledPlayer&) = delete;
  ScheduledPlayer& operator=(const ScheduledPlayer&) = delete;
  ScheduledPlayer(ScheduledPlayer&&) = delete;
  ScheduledPlayer& operator=(ScheduledPlayer&&) = delete;
  ~ScheduledPlayer() {
    --state_->passes_alive;
    if constexpr (has_resident) {
      for (std::size_t node = 0; node < lowered().saved.size(); ++node) {
        const value_id saved = lowered().saved[node];
        if (saved != LoweredGraph::no_value && values_.is_present(saved)) {
          graph_.release_resident(node);
        }
      }
    }
  }

  /// Makes this pass one of a verified step, see `NodeCalls::note`.
  void note(StepNotes& notes, const StepNotes* follows) noexcept { calls_.note(notes, follows); }

  /// Runs all forwards and what the plan does between them.
  void play_forward() {
    const auto& actions = plan_->schedule.actions;
    while (!(actions[at_].kind == ActionKind::run && actions[at_].index == program().loss())) {
      play(actions[at_++]);
    }
    if (calls_.seen()) check_plan(*calls_.seen());
  }

  /// Whether this is a pass of the object with that state.
  [[nodiscard]] bool is_of(const std::shared_ptr<RunState>& state) const noexcept {
    return state_ == state;
  }

  /// What the inputs are to the graph.
  [[nodiscard]] const LoweredShape& shape() const noexcept { return *shape_; }

  /// The number of this pass within its step.
  [[nodiscard]] std::uint64_t micro_batch() const noexcept { return calls_.micro_batch(); }

  /// What the nodes made, if that is more than their profile says.
  [[nodiscard]] const std::optional<Profile>& seen() const noexcept { return calls_.seen(); }

  /// Outputs of the graph.
  [[nodiscard]] std::size_t output_count() const { return graph_.outputs().size(); }

  /// An output of the graph, once forward has run.
  [[nodiscard]] const T& output(std::size_t index) const {
    const Source source = graph_.outputs()[index];
    return values_.at(lowered().outputs[source.node][source.port]).tensor;
  }

  /// Runs all backwards and takes the graph's inputs' gradients, empty where there is none.
  [[nodiscard]] std::vector<T> play_backward(std::span<T> gradients) {
    play_loss(gradients);
    const auto& actions = plan_->schedule.actions;
    while (at_ < actions.size()) play(actions[at_++]);
    std::vector<T> result(lowered().input_gradients.size());
    for (std::size_t i = 0; i < result.size(); ++i) {
      const value_id gradient = lowered().input_gradients[i];
      if (gradient != LoweredGraph::no_value) result[i] = std::move(values_.at(gradient).tensor);
    }
    return result;
  }

 private:
  static constexpr bool has_resident = NodeCalls<G>::has_resident;

  [[nodiscard]] const LoweredGraph& lowered() const { return shape_->lowered; }
  [[nodiscard]] const Program& program() const { return shape_->lowered.program; }

  void observe(ActionEvent::Moment moment, const Action& action) const {
    if (!store_.observer()) return;
    const bool is_before = moment == ActionEvent::Moment::before;
    const byte_count live = values_.ledger().live_bytes();
    store_.observer()({.moment = moment,
                       .action = action,
                       .during_bytes = is_before ? values_.ledger().bytes_during(action) : live,
                       .live_bytes = live});
  }

  void play(const Action& action) {
    observe(ActionEvent::Moment::before, action);
    begin(action);
    switch (action.kind) {
      case ActionKind::drop:
        drop(action);
        break;
      case ActionKind::await:
        forms_.end(action.index);
        values_.commit(action);
        break;
      case ActionKind::run:
      case ActionKind::start:
        run(action);
    }
    observe(ActionEvent::Moment::after, action);
  }

  void drop(const Action& action) {
    if (is_saved(action.index)) {
      --drops_left_[node_of(action)];
      if constexpr (has_resident) graph_.release_resident(node_of(action));
    }
    forms_.note_drop(action.index);
    values_.commit(action);
  }

  void run(const Action& action) {
    const Operation& op = program().operations()[action.index];
    if (op.kind == OperationKind::forward) return run_forward(action);
    if (op.kind == OperationKind::backward) return run_backward(action);
    if (action.restores_original) {
      forms_.restore_original(action.index, values_);
      return values_.commit(action);
    }
    forms_.begin(action.index, values_.has_run(action.index), values_);
    if (action.kind == ActionKind::run) forms_.end(action.index);
    values_.commit(action);
  }

  // A plan has room for its actions, unless what was made takes more than it was made for.
  void begin(const Action& action) {
    try {
      values_.begin(action);
    } catch (const BudgetExceeded& exceeded) {
      if (!seen()) throw;
      throw ProfileMismatch(std::string("what the nodes made leaves too little room: ") +
                            exceeded.what());
    }
  }

  // Forward made more than its profile says: the plan must have room for it to its end.
  void check_plan(const Profile& seen) {
    const LoweredShape shape = lower_again(graph_, *shape_, seen);
    const Program& larger = shape.lowered.program;
    const Simulation played = simulate(larger, plan_->schedule);
    const byte_count peak =
        peak_in_flight(played.peak_bytes, played.boundary_bytes, state_->options.passes_in_flight);
    const byte_count budget = store_.budget_bytes();
    if (peak > budget) {
      throw ProfileMismatch("what the nodes made takes the plan to " + std::to_string(peak) +
                            " bytes of a budget of " + std::to_string(budget));
    }
    state_->report.predicted_peak_bytes = std::max(state_->report.predicted_peak_bytes, peak);
    values_.grow_to(larger);
  }

  [[nodiscard]] bool is_saved(value_id value) const {
    return program().values()[value].kind == ValueKind::saved;
  }
  [[nodiscard]] std::size_t node_of(const Action& drop) const {
    return program().values()[drop.index].node;
  }

  // The last drop comes after backward; one before it means that backward needs it recomputed.
  // Where it is present and stays, a rerun makes a copy only, but of the same content.
  // A node whose saved tensors go one by one always makes them all.
  [[nodiscard]] bool will_be_recomputed(value_id saved) const {
    if (saved == LoweredGraph::no_value || values_.is_present(saved)) return false;
    if (shape_->saved_values == SavedValues::by_tensor) return false;
    return drops_left_[program().values()[saved].node] > 1;
  }

  void play_loss(std::span<T> gradients) {
    const Action& action = plan_->schedule.actions[at_++];
    observe(ActionEvent::Moment::before, action);
    begin(action);
    calls_.check_given(gradients, values_, [this](std::size_t i) -> const T& { return output(i); });
    const Operation& loss = program().operations()[action.index];
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      values_.at(loss.writes[i]).tensor = std::move(gradients[i]);
    }
    values_.commit(action);
    observe(ActionEvent::Moment::after, action);
  }

  void run_forward(const Action& action) {
    const Operation& op = program().operations()[action.index];
    calls_.forward(op,
                   {.is_rerun = values_.has_run(action.index),
                    .will_recompute = will_be_recomputed(lowered().saved[op.node]),
                    .skips_output = action.skips_output},
                   values_, [this](value_id value) { return !values_.is_present(value); });
    values_.commit(action);
  }

  void run_backward(const Action& action) {
    calls_.backward(program().operations()[action.index], values_);
    values_.commit(action);
  }

  G& graph_;
  const Store& store_;
  std::shared_ptr<RunState> state_;
  std::shared_ptr<const LoweredShape> shape_;
  std::shared_ptr<const Plan> plan_;
  NodeCalls<G> calls_;
  ProgramStore<Payload<T, S>> values_;
  FormCalls<G, Store> forms_;  // after the values, in whose places copies may be under way
  std::vector<std::uint32_t> drops_left_;  ///< of each node's saved state
  std::size_t at_ = 0;
};

}  // namespace reprise::inline v0::running
