// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Bytes and costs of a layer graph's nodes for one set of input shapes.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <reprise/core/arguments.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/saved_state.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/program/sweep_forward.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// What one node makes and costs.
struct NodeProfile {
  std::vector<byte_count> output_bytes{};    ///< a port each; 0 for parameters
  std::vector<byte_count> gradient_bytes{};  ///< of each port's gradient
  byte_count saved_bytes = 0;                ///< resident state included
  NodeCosts costs{};
  double forward_seconds = 0;
};

/// All nodes for one set of input shapes: given by the engine, or measured.
struct Profile {
  std::vector<byte_count> input_bytes{};  ///< of each graph input: the bytes of its gradient
  std::vector<NodeProfile> nodes{};
  byte_count held_bytes = 0;  ///< what measuring held at most between nodes
};

/// The bytes of saved state that a node keeps in itself.
template <LayerGraph G>
[[nodiscard]] byte_count resident_bytes(const G& graph, std::size_t node) {
  if constexpr (requires { graph.resident_bytes(node); }) {
    return graph.resident_bytes(node);
  } else {
    return 0;
  }
}

namespace profiling {

/// Notes bytes and costs of each node while a forward sweeps over them.
template <LayerGraph G>
class Measurement {
 public:
  using T = typename G::tensor_type;

  explicit Measurement(G& graph) : graph_(graph) {}

  void before(std::size_t node, Arguments<T> inputs) {
    NodeProfile& profile = profile_.nodes.emplace_back();
    if constexpr (requires { graph_.costs(node, inputs); }) {
      profile.costs = graph_.costs(node, inputs);
    }
    begin_ = clock::now();
  }

  void after(std::size_t node, std::span<const T> outputs, const typename G::saved_type& saved) {
    NodeProfile& profile = profile_.nodes[node];
    profile.forward_seconds = std::chrono::duration<double>(clock::now() - begin_).count();
    for (const T& output : outputs) {
      profile.output_bytes.push_back(counted_bytes(output));
      profile.gradient_bytes.push_back(tensor_traits<T>::bytes(output));
      held_ += profile.output_bytes.back();
    }
    profile.saved_bytes = saved_bytes(saved) + resident_bytes(graph_, node);
    profile_.held_bytes = std::max(profile_.held_bytes, held_ + profile.saved_bytes);
  }

  void gone(std::size_t node) {
    for (const byte_count bytes : profile_.nodes[node].output_bytes) held_ -= bytes;
  }

  [[nodiscard]] Profile profile() && { return std::move(profile_); }

 private:
  using clock = std::chrono::steady_clock;

  G& graph_;
  Profile profile_;
  clock::time_point begin_;
  byte_count held_ = 0;
};

}  // namespace profiling

/// The profile of a graph for the inputs at hand: the engine's own where the graph has
/// `profile(inputs)`, otherwise measured in one extra forward that keeps only what later nodes
/// read.
template <LayerGraph G>
[[nodiscard]] Profile make_profile(G& graph, std::span<typename G::tensor_type* const> inputs,
                                   PassContext::Identity identity) {
  using T = typename G::tensor_type;
  if constexpr (requires { graph.profile(Arguments<T>(inputs)); }) {
    return graph.profile(Arguments<T>(inputs));
  } else {
    profiling::Measurement<G> measurement(graph);
    sweep_forward(graph, inputs, PassContext(identity, PassMode::profiling), false, measurement);
    Profile profile = std::move(measurement).profile();
    for (const T* input : inputs) profile.input_bytes.push_back(tensor_traits<T>::bytes(*input));
    return profile;
  }
}

}  // namespace reprise::inline v0
