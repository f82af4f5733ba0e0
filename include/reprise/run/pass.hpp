// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// One forward and backward pass of a layer graph as a schedule has it.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/program/profile.hpp>
#include <reprise/program/simulate.hpp>
#include <reprise/run/action_event.hpp>
#include <reprise/run/lower_shape.hpp>
#include <reprise/run/lowered_shape.hpp>
#include <reprise/run/node_calls.hpp>
#include <reprise/run/shared_state.hpp>
#include <reprise/run/step_notes.hpp>
#include <reprise/store/remat_store.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

namespace running {

/// Plays the actions of one pass over the engine's nodes.
template <LayerGraph G>
class Player {
 public:
  using T = typename G::tensor_type;
  using S = typename G::saved_type;

  Player(G& graph, std::shared_ptr<Shared> shared, std::shared_ptr<const LoweredShape> shape,
         std::shared_ptr<const Plan> plan, std::vector<T*> inputs, PassContext::Identity identity,
         PassMode mode = PassMode::training)
      : graph_(graph),
        shared_(std::move(shared)),
        shape_(std::move(shape)),
        plan_(std::move(plan)),
        calls_(graph, shared_, *shape_, std::move(inputs), PassContext(identity, mode)),
        store_(shape_->lowered.program, shared_->account),
        drops_left_(graph.size(), 0) {
    for (const Action& action : plan_->schedule.actions) {
      if (action.kind == ActionKind::drop && is_saved(action.index)) ++drops_left_[node_of(action)];
    }
    ++shared_->passes_alive;
  }

  Player(const Player&) = delete;
  Player& operator=(const Player&) = delete;
  Player(Player&&) = delete;
  Player& operator=(Player&&) = delete;
  ~Player() {
    --shared_->passes_alive;
    if constexpr (has_resident) {
      for (std::size_t node = 0; node < graph_.size(); ++node) {
        const value_id saved = lowered().saved[node];
        if (saved != LoweredGraph::no_value && store_.is_present(saved)) {
          graph_.release_resident(node);
        }
      }
    }
  }

  /// Makes this pass one of a verified step, see `NodeCalls::note`.
  void note(StepNotes& notes, const StepNotes* follows) noexcept { calls_.note(notes, follows); }

  void play_forward() {
    const auto& actions = plan_->schedule.actions;
    while (!(actions[at_].kind == ActionKind::run && actions[at_].index == program().loss())) {
      play(actions[at_++]);
    }
    if (calls_.seen()) check_plan(*calls_.seen());
  }

  /// Whether this pass shares an account with others.
  [[nodiscard]] bool is_of(const std::shared_ptr<Shared>& shared) const noexcept {
    return shared_ == shared;
  }

  /// Names the shapes that this pass was planned for.
  [[nodiscard]] std::uint64_t signature() const noexcept { return shape_->signature; }

  /// The number of this pass within its step.
  [[nodiscard]] std::uint64_t micro_batch() const noexcept { return calls_.micro_batch(); }

  /// What the nodes made, if that is more than their profile says.
  [[nodiscard]] const std::optional<Profile>& seen() const noexcept { return calls_.seen(); }

  [[nodiscard]] std::size_t output_count() const { return graph_.outputs().size(); }

  [[nodiscard]] const T& output(std::size_t index) const {
    const Source source = graph_.outputs()[index];
    return store_.at(lowered().outputs[source.node][source.port]).tensor;
  }

  [[nodiscard]] std::vector<T> play_backward(std::span<T> gradients) {
    play_turn(gradients);
    const auto& actions = plan_->schedule.actions;
    while (at_ < actions.size()) play(actions[at_++]);
    std::vector<T> result(lowered().input_gradients.size());
    for (std::size_t i = 0; i < result.size(); ++i) {
      const value_id gradient = lowered().input_gradients[i];
      if (gradient != LoweredGraph::no_value) result[i] = std::move(store_.at(gradient).tensor);
    }
    return result;
  }

 private:
  static constexpr bool has_resident = NodeCalls<G>::has_resident;

  [[nodiscard]] const LoweredGraph& lowered() const { return shape_->lowered; }
  [[nodiscard]] const Program& program() const { return shape_->lowered.program; }

  void observe(ActionEvent::Moment moment, const Action& action) const {
    if (!shared_->observer) return;
    const bool is_before = moment == ActionEvent::Moment::before;
    const byte_count live = store_.ledger().live_bytes();
    shared_->observer({.moment = moment,
                       .action = action,
                       .during_bytes = is_before ? store_.ledger().bytes_during(action) : live,
                       .live_bytes = live});
  }

  void play(const Action& action) {
    observe(ActionEvent::Moment::before, action);
    begin(action);
    if (action.kind == ActionKind::drop) {
      drop(action);
    } else if (action.index < program().loss()) {
      run_forward(action);
    } else {
      run_backward(action);
    }
    observe(ActionEvent::Moment::after, action);
  }

  void drop(const Action& action) {
    if (is_saved(action.index)) {
      --drops_left_[node_of(action)];
      if constexpr (has_resident) graph_.release_resident(node_of(action));
    }
    store_.commit(action);
  }

  // A plan has room for its actions, unless what was made takes more than it was made for.
  void begin(const Action& action) {
    try {
      store_.begin(action);
    } catch (const BudgetExceeded& exceeded) {
      if (!seen()) throw;
      throw ProfileMismatch(std::string("what the nodes made leaves too little room: ") +
                            exceeded.what());
    }
  }

  // Forward made more than its profile says: the plan must have room for it to its end.
  void check_plan(const Profile& seen) {
    const LoweredShape shape = lower_shape(graph_, signature(), seen, shape_->has_input_gradients);
    const Program& larger = shape.lowered.program;
    const Simulation played = simulate(larger, plan_->schedule);
    const byte_count peak =
        peak_in_flight(played.peak_bytes, played.boundary_bytes, shared_->passes_in_flight);
    const byte_count budget = shared_->account->budget_bytes();
    if (peak > budget) {
      throw ProfileMismatch("what the nodes made takes the plan to " + std::to_string(peak) +
                            " bytes of a budget of " + std::to_string(budget));
    }
    shared_->report.predicted_peak_bytes = std::max(shared_->report.predicted_peak_bytes, peak);
    store_.grow_to(larger);
  }

  [[nodiscard]] bool is_saved(value_id value) const {
    return program().values()[value].kind == ValueKind::saved;
  }
  [[nodiscard]] std::size_t node_of(const Action& drop) const {
    return program().values()[drop.index].node;
  }

  // The last drop comes after backward; one before it means that backward needs it made again.
  // Where it is present and stays, a rerun makes a copy only, but of the same content.
  [[nodiscard]] bool will_be_remade(value_id saved) const {
    if (saved == LoweredGraph::no_value || store_.is_present(saved)) return false;
    return drops_left_[program().values()[saved].node] > 1;
  }

  void play_turn(std::span<T> gradients) {
    const Action& action = plan_->schedule.actions[at_++];
    observe(ActionEvent::Moment::before, action);
    begin(action);
    calls_.check_given(gradients, store_, [this](std::size_t i) -> const T& { return output(i); });
    const Operation& loss = program().operations()[action.index];
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      store_.at(loss.writes[i]).tensor = std::move(gradients[i]);
    }
    store_.commit(action);
    observe(ActionEvent::Moment::after, action);
  }

  void run_forward(const Action& action) {
    const Operation& op = program().operations()[action.index];
    calls_.forward(op,
                   {.is_rerun = store_.has_run(action.index),
                    .will_recompute = will_be_remade(lowered().saved[op.node]),
                    .skips_output = action.skips_output},
                   store_, [this](value_id value) { return !store_.is_present(value); });
    store_.commit(action);
  }

  void run_backward(const Action& action) {
    calls_.backward(program().operations()[action.index], store_);
    store_.commit(action);
  }

  G& graph_;
  std::shared_ptr<Shared> shared_;
  std::shared_ptr<const LoweredShape> shape_;
  std::shared_ptr<const Plan> plan_;
  NodeCalls<G> calls_;
  RematStore<Payload<T, S>> store_;
  std::vector<std::uint32_t> drops_left_;  ///< of each node's saved state
  std::size_t at_ = 0;
};

}  // namespace running

/// A pass between its forward and its backward: owns what backward will need; destroying it cancels
/// the pass and drops what it holds. Must not outlive the object that made it.
/// @tparam P plays it
template <LayerGraph G, class P = running::Player<G>>
class Pass {
 public:
  /// Takes over what has played the forward.
  explicit Pass(std::unique_ptr<P> player) : player_(std::move(player)) {}

  /// An output of the graph; valid until backward.
  [[nodiscard]] const typename G::tensor_type& output(std::size_t index = 0) const {
    if (!player_) throw InvalidState("a pass that backward has taken has no output");
    if (index >= player_->output_count()) {
      throw InvalidArgument("output " + std::to_string(index) + " of a graph that has " +
                            std::to_string(player_->output_count()));
    }
    return player_->output(index);
  }

  /// False once backward has taken the pass.
  [[nodiscard]] explicit operator bool() const noexcept { return player_ != nullptr; }

  /// What plays the pass; null once backward has taken it.
  [[nodiscard]] const P* player() const noexcept { return player_.get(); }

  /// Hands over what plays the pass.
  [[nodiscard]] std::unique_ptr<P> release() noexcept { return std::move(player_); }

 private:
  std::unique_ptr<P> player_;
};

}  // namespace reprise::inline v0
