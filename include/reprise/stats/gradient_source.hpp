// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What the tracker asks of a layer graph.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <reprise/backend/element_type.hpp>
#include <reprise/backend/gradient_view.hpp>
#include <span>

namespace reprise::inline v0 {

/// The visitor that the concept GradientSource is checked with, which stands for any other: it
/// takes a contiguous range of elements or a GradientView.
struct GradientVisitorArchetype {
  /// A range of `float`, `double`, `float16` or `bfloat16`, const or not.
  template <std::ranges::contiguous_range R>
  requires Element<std::ranges::range_value_t<R>>
  constexpr void operator()(const R& /*gradient*/) const noexcept {}
  /// A gradient whose element type only its engine knows; its `layer` is not looked at.
  constexpr void operator()(const GradientView& /*gradient*/) const noexcept {}
};

/// A graph that says how many nodes it has: `size()`.
template <class G>
concept HasNodes = requires(const G& graph) {
  { graph.size() } -> std::convertible_to<std::size_t>;
};

/// A graph that says to which layer a node belongs: `traits(node).layer`.
template <class G>
concept HasLayers = requires(const G& graph, std::size_t node) {
  { graph.traits(node).layer } -> std::convertible_to<std::uint32_t>;
};

/// A graph that shows its parameter gradients: `for_each_gradient(node, f)`.
template <class G>
concept HasGradients = requires(G& graph, std::size_t node, GradientVisitorArchetype f) {
  graph.for_each_gradient(node, f);
};

/// A graph whose parameter gradients can be found.
///
/// - Nodes are 0 to `size()` - 1; layers count from 0, and there are as many as the largest
///   `traits(node).layer` says, plus one. Several nodes may belong to a layer.
/// - `for_each_gradient(node, f)` calls `f(std::span<T>)` (or with another contiguous range, or
///   with a GradientView) once for each parameter gradient of the node, in an order that does not
///   change; never, for a node without parameters. A parameter that several nodes use is shown by
///   each: the tracker counts it once, by its address.
/// - The memory stays where it is as long as the tracker lives. Engines that allocate gradients
///   anew each step use `ObservedLayers` instead.
template <class G>
concept GradientSource = HasNodes<G> && HasLayers<G> && HasGradients<G>;

}  // namespace reprise::inline v0
