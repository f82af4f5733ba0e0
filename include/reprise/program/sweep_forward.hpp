// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// One forward that keeps nothing for a backward.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <reprise/core/arguments.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/program/output_lifetimes.hpp>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// Watches a sweep and does nothing.
struct NoSweepVisitor {
  /// Hears of a forward that is about to run.
  template <class T>
  void before(std::size_t /*node*/, Arguments<T> /*inputs*/) const noexcept {}
  /// Hears of a forward that ran.
  template <class T, class S>
  void after(std::size_t /*node*/, std::span<const T> /*outputs*/,
             const S& /*saved*/) const noexcept {}
  /// Hears that nobody reads the node's outputs any more.
  void gone(std::size_t /*node*/) const noexcept {}
};

/// What a sweep tells: `before` and `after` each node's forward, and when nobody reads its outputs
/// any more.
template <class V, class G>
concept SweepVisitor = HasGraphTypes<G> &&
    requires(V& visitor, std::size_t node, Arguments<typename G::tensor_type> inputs,
             std::span<const typename G::tensor_type> outputs,
             const typename G::saved_type& saved) {
  visitor.before(node, inputs);
  visitor.after(node, outputs, saved);
  visitor.gone(node);
};

/// Runs each node's forward once, in order, and keeps its outputs only until their last reader.
/// @param keeps_outputs whether the graph's outputs outlive the sweep
/// @returns the outputs that are left, by node and port
/// @throws what the engine throws
template <LayerGraph G, class V = NoSweepVisitor>
std::vector<std::vector<typename G::tensor_type>> sweep_forward(
    G& graph, std::span<typename G::tensor_type* const> inputs, PassContext pass,
    bool keeps_outputs, V&& visitor = {}) {
  static_assert(SweepVisitor<std::remove_reference_t<V>, G>);
  using T = typename G::tensor_type;
  const OutputLifetimes lifetimes(graph, keeps_outputs);
  std::vector<std::vector<T>> made(graph.size());
  std::vector<T*> pointers;
  for (std::size_t node = 0; node < graph.size(); ++node) {
    const NodeTraits traits = graph.traits(node);
    pointers.clear();
    for (const Source& source : graph.inputs(node)) {
      pointers.push_back(source.is_graph_input() ? inputs[source.port]
                                                 : &made[source.node][source.port]);
    }
    const Arguments<T> arguments{std::span<T* const>(pointers)};
    made[node].resize(traits.output_count);
    pass.enter({.node = static_cast<std::uint32_t>(node),
                .wants_parameter_gradients = pass.is_training() && !traits.is_frozen});
    typename G::saved_type saved{};
    visitor.before(node, arguments);
    graph.forward(node, arguments, std::span<T>(made[node]), saved, pass);
    visitor.after(node, std::span<const T>(made[node]), std::as_const(saved));
    if constexpr (requires { graph.release_resident(node); }) graph.release_resident(node);
    for (const std::size_t gone : lifetimes.ended_after(node)) {
      made[gone].clear();
      visitor.gone(gone);
    }
  }
  return made;
}

}  // namespace reprise::inline v0
