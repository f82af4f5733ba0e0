// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Runs nodes without a trace in the engine's own state.

#include <reprise/core/layer_graph.hpp>
#include <reprise/program/engine_state.hpp>

namespace reprise::inline v0 {

/// Puts the engine's own state of all nodes back to what it is now when the scope ends, also by an
/// exception.
template <LayerGraph G>
class EngineStateGuard {
 public:
  /// Captures the state; the graph must outlive the guard.
  explicit EngineStateGuard(G& graph) : graph_(graph), state_(graph) {}
  EngineStateGuard(const EngineStateGuard&) = delete;
  EngineStateGuard& operator=(const EngineStateGuard&) = delete;
  ~EngineStateGuard() { state_.restore(graph_); }

 private:
  G& graph_;
  EngineState<G> state_;
};

}  // namespace reprise::inline v0
