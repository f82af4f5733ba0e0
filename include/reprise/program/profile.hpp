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
#include <reprise/program/output_lifetimes.hpp>
#include <span>
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

template <LayerGraph G>
class Measurement {
 public:
  using T = typename G::tensor_type;

  Measurement(G& graph, std::span<T* const> inputs, PassContext::Identity identity)
      : graph_(graph),
        inputs_(inputs),
        outputs_(graph.size()),
        pass_(identity, PassMode::profiling) {}

  [[nodiscard]] Profile run() {
    Profile profile;
    for (const T* input : inputs_) profile.input_bytes.push_back(tensor_traits<T>::bytes(*input));
    const OutputLifetimes lifetimes(graph_, false);
    for (std::size_t node = 0; node < graph_.size(); ++node) {
      profile.nodes.push_back(measure(node));
      for (const NodeProfile& made = profile.nodes.back(); const byte_count b : made.output_bytes) {
        held_ += b;
      }
      profile.held_bytes = std::max(profile.held_bytes, held_ + profile.nodes.back().saved_bytes);
      for (const std::size_t gone : lifetimes.ended_after(node)) {
        outputs_[gone].clear();
        for (const byte_count b : profile.nodes[gone].output_bytes) held_ -= b;
      }
    }
    return profile;
  }

 private:
  [[nodiscard]] NodeProfile measure(std::size_t node) {
    const NodeTraits traits = graph_.traits(node);
    arguments_.clear();
    for (const Source& source : graph_.inputs(node)) {
      arguments_.push_back(source.is_graph_input() ? inputs_[source.port]
                                                   : &outputs_[source.node][source.port]);
    }
    const Arguments<T> arguments{std::span<T* const>(arguments_)};
    NodeProfile profile;
    if constexpr (requires { graph_.costs(node, arguments); }) {
      profile.costs = graph_.costs(node, arguments);
    }
    pass_.enter(
        {.node = static_cast<std::uint32_t>(node), .wants_parameter_gradients = !traits.is_frozen});
    outputs_[node].resize(traits.output_count);
    typename G::saved_type saved{};
    const auto begin = std::chrono::steady_clock::now();
    graph_.forward(node, arguments, std::span<T>(outputs_[node]), saved, pass_);
    profile.forward_seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    for (const T& output : outputs_[node]) {
      profile.output_bytes.push_back(counted_bytes(output));
      profile.gradient_bytes.push_back(tensor_traits<T>::bytes(output));
    }
    profile.saved_bytes = saved_bytes(saved) + resident_bytes(graph_, node);
    if constexpr (requires { graph_.release_resident(node); }) graph_.release_resident(node);
    return profile;
  }

  G& graph_;
  std::span<T* const> inputs_;
  std::vector<std::vector<T>> outputs_;
  std::vector<T*> arguments_;
  PassContext pass_;
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
    return profiling::Measurement<G>(graph, inputs, identity).run();
  }
}

}  // namespace reprise::inline v0
