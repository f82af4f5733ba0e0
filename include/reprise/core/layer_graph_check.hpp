// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Says at compile time which optional member of an engine's own layer graph cannot be called.

#include <any>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <reprise/core/any_gradient.hpp>
#include <reprise/core/arguments.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/node_traits.hpp>
#include <reprise/core/optional_names.hpp>
#include <reprise/core/units.hpp>
#include <string>

namespace reprise::inline v0 {

namespace layer_graph_check {

template <class G>
inline constexpr bool takes_costs = requires(G& graph, std::size_t node,
                                             Arguments<typename G::tensor_type> inputs) {
  { graph.costs(node, inputs) } -> std::convertible_to<NodeCosts>;
};
template <class G>
inline constexpr bool gives_signature = requires(G& graph) {
  { graph.shape_signature() } -> std::convertible_to<std::uint64_t>;
};
template <class G>
inline constexpr bool shows_gradients = requires(G& graph, std::size_t node) {
  graph.for_each_gradient(node, node::AnyGradient{});
};
template <class G>
inline constexpr bool names_layers = requires(const G& graph, std::uint32_t layer) {
  { graph.layer_name(layer) } -> std::convertible_to<std::string>;
};
template <class G>
inline constexpr bool captures_state = requires(G& graph, std::size_t node, const std::any& state) {
  { graph.capture_state(node) } -> std::convertible_to<std::any>;
  graph.restore_state(node, state);
};
template <class G>
inline constexpr bool releases_resident = requires(G& graph, const G& constant, std::size_t node) {
  { constant.resident_bytes(node) } -> std::convertible_to<byte_count>;
  graph.release_resident(node);
};

/// Compiles unless the graph names something optional that nothing could call: that is a mistake,
/// not an option. Of two names that belong together, either is a mistake without the other.
/// `profile` is looked at where its result is known.
template <LayerGraph G>
constexpr bool check_optional() {
  using namespace naming;
  static_assert(!NamesCosts<G> || takes_costs<G>,
                "the graph's costs cannot be called with the signature NodeCosts "
                "costs(std::size_t node, reprise::Arguments<T> inputs)");
  static_assert(!NamesShapeSignature<G> || gives_signature<G>,
                "the graph's shape_signature cannot be called with the signature std::uint64_t "
                "shape_signature()");
  static_assert(!NamesGradients<G> || shows_gradients<G>,
                "the graph's for_each_gradient cannot be called with the signature void "
                "for_each_gradient(std::size_t node, F&& f), which calls f with a span of each "
                "parameter gradient");
  static_assert(!NamesLayerName<G> || names_layers<G>,
                "the graph's layer_name cannot be called with the signature std::string "
                "layer_name(std::uint32_t layer) const");
  static_assert(!(NamesCapture<G> || NamesRestore<G>) || captures_state<G>,
                "the graph's capture_state and restore_state cannot be called with the signatures "
                "std::any capture_state(std::size_t node) const and void "
                "restore_state(std::size_t node, const std::any& state)");
  static_assert(!(NamesResidentBytes<G> || NamesReleaseResident<G>) || releases_resident<G>,
                "the graph's resident_bytes and release_resident cannot be called with the "
                "signatures byte_count resident_bytes(std::size_t node) const and void "
                "release_resident(std::size_t node)");
  return true;
}

}  // namespace layer_graph_check

}  // namespace reprise::inline v0
