// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Runs a layer graph under an eviction policy.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/eviction/eviction_policy.hpp>
#include <reprise/program/lowering.hpp>
#include <reprise/program/profile.hpp>
#include <reprise/program/program.hpp>
#include <reprise/run/form_calls.hpp>
#include <reprise/run/lower_shape.hpp>
#include <reprise/run/lowered_shape.hpp>
#include <reprise/run/node_calls.hpp>
#include <reprise/run/run_state.hpp>
#include <reprise/run/step_notes.hpp>
#include <reprise/store/online_event.hpp>
#include <reprise/store/operation_feed.hpp>
#include <reprise/store/remat_store.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0::running {

/// Hands the operations of one pass to a store that runs them as they come.
///
/// The loss runs at the end of forward, which makes room for the gradients that backward will be
/// given; the graph's outputs stay until then.
template <LayerGraph G, ValueStore Store>
class EvictingPlayer {
 public:
  using P = typename Store::policy_type;  ///< chooses what goes
  using T = typename G::tensor_type;      ///< what nodes exchange
  using S = typename G::saved_type;       ///< what a node saves
  using strategy = P;                     ///< chooses what goes

  /// Counts among the passes alive from here on; nothing runs yet. Borrows the graph and the store.
  EvictingPlayer(G& graph, const Store& store, std::shared_ptr<RunState> state,
                 std::shared_ptr<const LoweredShape> shape, P policy, std::vector<T*> inputs,
                 PassContext::Identity identity, PassMode mode = PassMode::training)
      : graph_(graph),
        store_(store),
        state_(std::move(state)),
        shape_(std::move(shape)),
        calls_(graph, state_, *shape_, std::move(inputs), PassContext(identity, mode)),
        forms_(store, *shape_, calls_.originals(), identity, *state_),
        is_resident_(NodeCalls<G>::has_resident ? graph.size() : 0, 0),
        feed_(program(), store.account(), std::move(policy),
              [this](operation_id op, bool is_rerun) { call(op, is_rerun); }) {
    feed_.observe([this](const OnlineEvent& event) { hear(event); });
    ++state_->passes_alive;
  }

  EvictingPlayer(const EvictingPlayer&) = delete;
  EvictingPlayer& operator=(const EvictingPlayer&) = delete;
  EvictingPlayer(EvictingPlayer&&) = delete;
  EvictingPlayer& operator=(EvictingPlayer&&) = delete;
  ~EvictingPlayer() {
    --state_->passes_alive;
    state_->report.evictions += feed_.evictions();
    for (std::size_t node = 0; node < is_resident_.size(); ++node) release_resident(node);
  }

  /// Makes this pass one of a verified step, see `NodeCalls::note`.
  void note(StepNotes& notes, const StepNotes* follows) noexcept { calls_.note(notes, follows); }

  /// Runs all forwards and the loss; releases what they leave unread.
  /// @throws BudgetExceeded if an operation does not fit; what the engine throws
  void play_forward() {
    for (operation_id op = 0; op <= program().loss(); ++op) {
      if (op == program().loss() && calls_.seen()) grow_to(*calls_.seen());
      feed_.run(op);
      if (op != program().loss()) feed_.release_after(op);
    }
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

  /// Outputs of the graph, once forward has run.
  [[nodiscard]] std::size_t output_count() const noexcept { return outputs_.size(); }
  /// An output of the graph; valid until backward takes the gradients.
  [[nodiscard]] const T& output(std::size_t index) const { return *outputs_[index]; }

  /// Runs all backwards and takes the graph's inputs' gradients, empty where there is none.
  /// @throws BudgetExceeded if an operation does not fit; what the engine throws
  [[nodiscard]] std::vector<T> play_backward(std::span<T> gradients) {
    take_over(gradients);
    for (operation_id op = program().loss() + 1; op < program().operations().size(); ++op) {
      feed_.run(op);
      feed_.release_after(op);
    }
    feed_.finish();
    std::vector<T> result(lowered().input_gradients.size());
    for (std::size_t i = 0; i < result.size(); ++i) {
      const value_id gradient = lowered().input_gradients[i];
      if (gradient != LoweredGraph::no_value) result[i] = std::move(feed_.kept(gradient).tensor);
    }
    return result;
  }

 private:
  // Backward takes what forward made more than its profile says.
  void grow_to(const Profile& seen) {
    feed_.grow_to(lower_again(graph_, *shape_, seen).lowered.program);
  }

  [[nodiscard]] const LoweredGraph& lowered() const { return shape_->lowered; }
  [[nodiscard]] const Program& program() const { return shape_->lowered.program; }

  void call(operation_id op, bool is_rerun) {
    const Operation& operation = program().operations()[op];
    if (operation.kind == OperationKind::forward) {
      const ForwardRun run{.is_rerun = is_rerun};
      calls_.forward(operation, run, feed_, [](value_id) { return true; });
      note_resident(operation.node);
    } else if (operation.kind == OperationKind::loss) {
      for (const Source& output : graph_.outputs()) {
        outputs_.push_back(&feed_.at(lowered().outputs[output.node][output.port]).tensor);
      }
    } else if (operation.kind == OperationKind::backward) {
      calls_.backward(operation, feed_);
    } else {
      forms_.begin(op, is_rerun, feed_);
      forms_.end(op);
    }
  }

  void take_over(std::span<T> gradients) {
    calls_.check_given(gradients, feed_, [this](std::size_t i) -> const T& { return output(i); });
    const Operation& loss = program().operations()[program().loss()];
    for (std::size_t i = 0; i < gradients.size(); ++i) {
      feed_.kept(loss.writes[i]).tensor = std::move(gradients[i]);
    }
    outputs_.clear();
    feed_.release_after(program().loss());
  }

  void hear(const OnlineEvent& event) {
    if (event.kind == OnlineEvent::Kind::drop) {
      const Value& value = program().values()[event.index];
      forms_.note_drop(event.index);
      if (value.kind == ValueKind::saved && !is_resident_.empty()) release_resident(value.node);
    }
    if (store_.observer()) store_.observer()(event);
  }

  void note_resident(std::size_t node) {
    if (is_resident_.empty() || lowered().saved[node] == LoweredGraph::no_value) return;
    is_resident_[node] = 1;
  }

  void release_resident([[maybe_unused]] std::size_t node) {
    if constexpr (NodeCalls<G>::has_resident) {
      if (std::exchange(is_resident_[node], std::uint8_t{0}) != 0) graph_.release_resident(node);
    }
  }

  G& graph_;
  const Store& store_;
  std::shared_ptr<RunState> state_;
  std::shared_ptr<const LoweredShape> shape_;
  NodeCalls<G> calls_;
  FormCalls<G, Store> forms_;
  std::vector<std::uint8_t> is_resident_;  ///< by node: saved state that it keeps in itself
  std::vector<const T*> outputs_;          ///< of the graph, between forward and backward
  OperationFeed<Payload<T, S>, P> feed_;
};

}  // namespace reprise::inline v0::running
