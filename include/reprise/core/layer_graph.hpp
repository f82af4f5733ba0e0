// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The concept of a layer graph: what an engine hands over so that Reprise can run it.

#include <any>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <reprise/core/arguments.hpp>
#include <reprise/core/node_traits.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/saved_state.hpp>
#include <reprise/core/tensor.hpp>
#include <span>
#include <string>

namespace reprise::inline v0 {

/// Where a node's input comes from: port `port` of node `node`, or graph input number `port`.
struct Source {
  /// In place of a node: the source is an input of the graph.
  static constexpr std::uint32_t graph_input = 0xFFFFFFFFU;

  std::uint32_t node = graph_input;  ///< the node that makes it, or `graph_input`
  std::uint32_t port = 0;            ///< which output of the node, or which input of the graph

  /// True if no node makes it: `port` then counts the graph's inputs.
  [[nodiscard]] constexpr bool is_graph_input() const noexcept { return node == graph_input; }
  [[nodiscard]] friend constexpr bool operator==(Source, Source) noexcept = default;
};

/// `G::tensor_type` and `G::saved_type`: what the graph's nodes exchange and what each may save.
template <class G>
concept HasGraphTypes = requires {
  typename G::tensor_type;
  typename G::saved_type;
}
&&TensorLike<typename G::tensor_type>&& SavedState<typename G::saved_type>;

/// The shape of the graph: `size()`, `input_count()`, `inputs(node)` and `outputs()` as spans of
/// `Source`, `traits(node)`.
template <class G>
concept HasTopology = requires(const G& graph, std::size_t node) {
  { graph.size() } -> std::convertible_to<std::size_t>;
  { graph.input_count() } -> std::convertible_to<std::size_t>;
  { graph.inputs(node) } -> std::convertible_to<std::span<const Source>>;
  { graph.outputs() } -> std::convertible_to<std::span<const Source>>;
  { graph.traits(node) } -> std::convertible_to<NodeTraits>;
};

/// `forward(node, inputs, outputs, saved, pass)` fills the outputs, which come empty.
template <class G>
concept HasGraphForward = HasGraphTypes<G> &&
    requires(G& graph, std::size_t node, Arguments<typename G::tensor_type> in,
             std::span<typename G::tensor_type> out, typename G::saved_type& saved,
             PassContext& pass) {
  graph.forward(node, in, out, saved, pass);
};

/// `backward(node, inputs, outputs, saved, gradients, pass, input_gradients)` fills the places of
/// `input_gradients` that are not null. Places come empty, unless the node's traits say
/// `accumulates_in_place`: then a place that holds a gradient is added to. A place left empty is no
/// gradient, and an output without one has no place in `gradients` (see `Node`).
template <class G>
concept HasGraphBackward = HasGraphTypes<G> &&
    requires(G& graph, std::size_t node, Arguments<typename G::tensor_type> in,
             std::span<typename G::tensor_type* const> input_gradients,
             typename G::saved_type& saved, PassContext& pass) {
  graph.backward(node, in, in, saved, in, pass, input_gradients);
};

/// Nodes in topological order that Reprise can run: `chain(range)`, `Graph<Tensor>` or an engine's
/// own class, whose `forward` and `backward` call its kernels as it likes.
///
/// Semantics: those of `Node`, for each node; `inputs(node)` names earlier nodes only; topology and
/// traits do not change while a `Checkpointed` runs the graph.
///
/// Optional: `costs(node, inputs) -> NodeCosts`; `profile(inputs)`, sizes and costs without a
/// measuring forward; `shape_signature()`, for shapes that the inputs do not show;
/// `node_type(node)`, a number that nodes share which take the same time for the same shapes and
/// declared costs; `for_each_gradient(node, f)`; `layer_name(layer)`; `capture_state(node) ->
/// std::any` and `restore_state(node, const std::any&)`; `resident_bytes(node)` and
/// `release_resident(node)`.
template <class G>
concept LayerGraph =
    HasGraphTypes<G> && HasTopology<G> && HasGraphForward<G> && HasGraphBackward<G>;

/// The layer's name where the graph has names, else "layer 3".
template <class G>
[[nodiscard]] std::string layer_name(const G& graph, std::uint32_t layer) {
  if constexpr (requires { graph.layer_name(layer); }) {
    return graph.layer_name(layer);
  } else {
    return "layer " + std::to_string(layer);
  }
}

/// The number of layers of a graph. Linear in its nodes.
template <HasTopology G>
[[nodiscard]] std::size_t layer_count(const G& graph) {
  std::size_t count = 0;
  for (std::size_t node = 0; node < graph.size(); ++node) {
    const std::size_t layer = static_cast<NodeTraits>(graph.traits(node)).layer;
    count = layer + 1 > count ? layer + 1 : count;
  }
  return count;
}

}  // namespace reprise::inline v0
