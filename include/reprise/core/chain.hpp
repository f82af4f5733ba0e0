// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Nodes of one type, one after the other, as a layer graph.

#include <any>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <reprise/core/error.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/node.hpp>
#include <reprise/core/node_check.hpp>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// A layer graph over an engine's own contiguous nodes, each a layer of its own; made by `chain()`.
///
/// Borrows the nodes: they must outlive it and must not move.
template <Node<1> N>
class Chain {
 public:
  using tensor_type = typename N::tensor_type;  ///< what nodes exchange
  using saved_type = saved_type_of<N>;          ///< what a node saves
  /// Whether nodes show their parameter gradients: without, no layer has a statistic.
  static constexpr bool shows_gradients = node::shows_gradients<N>;

  /// @throws InvalidGraph if there is no node, or a node has other than one output.
  explicit Chain(std::span<N> nodes) : nodes_(nodes), outputs_(1) {
    static_assert(node::check<N, 1>());
    static_assert(node::output_count<N, 1> == 1, "a node of a chain has one output");
    if (nodes.empty()) throw InvalidGraph("a chain needs at least one node");
    sources_.resize(nodes.size());
    for (std::size_t n = 1; n < nodes.size(); ++n) {
      sources_[n] = {.node = static_cast<std::uint32_t>(n - 1), .port = 0};
    }
    outputs_[0] = {.node = static_cast<std::uint32_t>(nodes.size() - 1), .port = 0};
  }

  /// Nodes.
  [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }
  /// One: what the first node reads.
  [[nodiscard]] std::size_t input_count() const noexcept { return 1; }
  /// The node before node `n`; the input of the graph for the first.
  [[nodiscard]] std::span<const Source> inputs(std::size_t n) const noexcept {
    return {&sources_[n], 1};
  }
  /// The last node.
  [[nodiscard]] std::span<const Source> outputs() const noexcept { return outputs_; }
  /// All nodes are of one type.
  [[nodiscard]] std::uint64_t node_type(std::size_t /*n*/) const noexcept { return 1; }
  /// What node `n` declares, with its place for its layer.
  [[nodiscard]] NodeTraits traits(std::size_t n) const {
    NodeTraits traits = node_traits<N, 1>(nodes_[n]);
    traits.layer = static_cast<std::uint32_t>(n);
    return traits;
  }

  /// Calls the forward of node `n`, see `LayerGraph`; throws what the node throws.
  void forward(std::size_t n, Arguments<tensor_type> inputs, std::span<tensor_type> outputs,
               saved_type& saved, PassContext& pass) {
    call_forward<1>(nodes_[n], inputs, outputs, saved, pass);
  }
  /// Calls the backward of node `n`, see `LayerGraph`; throws what the node throws.
  void backward(std::size_t n, Arguments<tensor_type> inputs, Arguments<tensor_type> outputs,
                saved_type& saved, Arguments<tensor_type> gradients, PassContext& pass,
                std::span<tensor_type* const> input_gradients) {
    call_backward<1>(nodes_[n], inputs, outputs, saved, gradients, pass, input_gradients);
  }
  /// What node `n` costs for these inputs; a cost that it does not declare is empty.
  [[nodiscard]] NodeCosts costs(std::size_t n, Arguments<tensor_type> inputs) {
    return call_costs<1>(nodes_[n], inputs);
  }

  /// Calls `f` with each parameter gradient of node `n`, if the node reports them.
  template <class F>
  void for_each_gradient(std::size_t n, F&& f) {
    if constexpr (requires { nodes_[n].for_each_gradient(f); }) nodes_[n].for_each_gradient(f);
  }

  /// The engine's own state of a node as of now; empty if the node has none.
  [[nodiscard]] std::any capture_state(std::size_t n) const {
    if constexpr (requires { nodes_[n].capture_state(); }) return nodes_[n].capture_state();
    return {};
  }
  /// Puts back what `capture_state` returned for node `n`.
  void restore_state(std::size_t n, const std::any& state) {
    if constexpr (requires { nodes_[n].restore_state(nodes_[n].capture_state()); }) {
      using State = decltype(nodes_[n].capture_state());
      nodes_[n].restore_state(std::any_cast<const State&>(state));
    }
  }
  /// What node `n` keeps in itself for its backward; 0 unless it says so.
  [[nodiscard]] byte_count resident_bytes(std::size_t n) const {
    if constexpr (requires { nodes_[n].resident_bytes(); }) return nodes_[n].resident_bytes();
    return 0;
  }
  /// Lets node `n` free what it keeps in itself; nothing happens unless it keeps something.
  void release_resident(std::size_t n) {
    if constexpr (requires { nodes_[n].release_resident(); }) nodes_[n].release_resident();
  }

 private:
  std::span<N> nodes_;
  std::vector<Source> sources_;
  std::vector<Source> outputs_;
};

/// In place of the graph where `chain` refuses to make one.
struct NotAGraph {};

/// A contiguous range of nodes that outlives the expression it stands in.
template <class R>
concept NodeRange = std::ranges::contiguous_range<R> && std::ranges::borrowed_range<R&> &&
                    Node < std::ranges::range_value_t<R>,
1 > ;

/// The nodes of a contiguous range as a layer graph: node i reads node i - 1, node 0 the input.
/// @throws InvalidGraph if the range is empty.
template <NodeRange R>
[[nodiscard]] auto chain(R& nodes) {
  static_assert(node::check<std::ranges::range_value_t<R>, 1>());
  return Chain<std::ranges::range_value_t<R>>(std::span(nodes));
}

/// Never compiles, and says what is wrong with what should be a row of nodes.
template <class R>
requires(!std::is_lvalue_reference_v<R> || !NodeRange<std::remove_reference_t<R>>)
    [[nodiscard]] auto chain(R&& /*nodes*/) {
  using Range = std::remove_reference_t<R>;
  static_assert(std::is_lvalue_reference_v<R>,
                "a chain borrows its nodes, which must outlive it: give them a name");
  static_assert(std::ranges::contiguous_range<Range>,
                "a chain takes nodes of one type that lie in a row, as in a std::vector");
  if constexpr (std::ranges::contiguous_range<Range>) {
    static_assert(node::check<std::ranges::range_value_t<Range>, 1>());
  }
  return NotAGraph{};
}

}  // namespace reprise::inline v0
