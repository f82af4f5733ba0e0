// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The engine's own state of all nodes of a layer graph, as of one moment.

#include <any>
#include <concepts>
#include <cstddef>
#include <reprise/core/layer_graph.hpp>
#include <vector>

namespace reprise::inline v0 {

/// A graph whose nodes have state of the engine's own: `capture_state(node)` returns it and
/// `restore_state(node, state)` puts it back.
template <class G>
concept CapturesState = requires(G& graph, std::size_t node, const std::any& state) {
  { graph.capture_state(node) } -> std::convertible_to<std::any>;
  graph.restore_state(node, state);
};

/// What `capture_state` returns for each node, all captured at one moment, so that nodes which
/// share a generator go back to the same one. Holds nothing for a graph without such state.
template <LayerGraph G>
class EngineState {
 public:
  /// Captures the state of all nodes. Linear in them.
  explicit EngineState([[maybe_unused]] G& graph) {
    if constexpr (CapturesState<G>) {
      states_.reserve(graph.size());
      for (std::size_t node = 0; node < graph.size(); ++node) {
        states_.push_back(graph.capture_state(node));
      }
    }
  }

  /// Puts all of it back; nodes whose state was empty are left alone.
  void restore([[maybe_unused]] G& graph) const {
    if constexpr (CapturesState<G>) {
      for (std::size_t node = 0; node < states_.size(); ++node) {
        if (states_[node].has_value()) graph.restore_state(node, states_[node]);
      }
    }
  }

 private:
  std::vector<std::any> states_;
};

}  // namespace reprise::inline v0
