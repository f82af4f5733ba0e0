// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The engine's own state around the calls of nodes.

#include <any>
#include <cstddef>
#include <reprise/core/layer_graph.hpp>
#include <reprise/program/engine_state.hpp>
#include <reprise/run/step_notes.hpp>
#include <utility>
#include <vector>

namespace reprise::inline v0::running {

/// Keeps the engine's own state of each node as its first forward in the pass found it: a rerun
/// finds it again. Of a verified step, each call of the second pass finds the state that its
/// counterpart in the first one found.
template <LayerGraph G>
class NodeStates {
 public:
  /// Borrows the graph.
  explicit NodeStates(G& graph) : graph_(graph) {
    if constexpr (captures) originals_.resize(graph.size());
  }

  /// Makes this pass one of a verified step, see `NodeCalls::note`.
  void note(StepNotes& notes, const StepNotes* follows) noexcept {
    notes_ = &notes;
    follows_ = follows;
  }

  /// What the pass notes, if it is one of a verified step; otherwise null.
  [[nodiscard]] StepNotes* notes() const noexcept { return notes_; }

  /// Calls a node's forward in the state of its first one.
  template <class Call>
  void forward([[maybe_unused]] std::size_t node, [[maybe_unused]] bool is_rerun, Call&& call) {
    if constexpr (captures) {
      if (!is_rerun) {
        if (follows_ != nullptr) restore(node, follows_->forward_states[node]);
        originals_[node] = graph_.capture_state(node);
        if (notes_ != nullptr) notes_->forward_states[node] = originals_[node];
      } else if (originals_[node].has_value()) {
        const AsItWas as_it_was(graph_, node, originals_[node]);
        std::forward<Call>(call)();
        return;
      }
    }
    std::forward<Call>(call)();
  }

  /// Before a node's backward in a pass of a verified step.
  void before_backward([[maybe_unused]] std::size_t node) {
    if constexpr (captures) {
      if (follows_ != nullptr) restore(node, follows_->backward_states[node]);
      notes_->backward_states[node] = graph_.capture_state(node);
    }
  }

 private:
  static constexpr bool captures = CapturesState<G>;

  void restore(std::size_t node, const std::any& state) {
    if (state.has_value()) graph_.restore_state(node, state);
  }

  // The state is that of the original while a node runs again, and goes back to what it has become
  // since, also if the node throws.
  class AsItWas {
   public:
    AsItWas(G& graph, std::size_t node, const std::any& original)
        : graph_(graph), node_(node), current_(graph.capture_state(node)) {
      graph.restore_state(node, original);
    }
    AsItWas(const AsItWas&) = delete;
    AsItWas& operator=(const AsItWas&) = delete;
    ~AsItWas() { graph_.restore_state(node_, current_); }

   private:
    G& graph_;
    std::size_t node_;
    std::any current_;
  };

  G& graph_;
  StepNotes* notes_ = nullptr;
  const StepNotes* follows_ = nullptr;
  std::vector<std::any> originals_;  ///< by node; empty where the graph captures none
};

}  // namespace reprise::inline v0::running
