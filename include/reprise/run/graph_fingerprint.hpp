// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Tells models apart.

#include <cstddef>
#include <cstdint>
#include <reprise/core/hash.hpp>
#include <reprise/core/layer_graph.hpp>
#include <span>

namespace reprise::inline v0::running {

/// A number for a graph's nodes, their traits and what they read: equal for equal models, on every
/// machine. Linear.
template <LayerGraph G>
[[nodiscard]] std::uint64_t graph_fingerprint(const G& graph) {
  std::uint64_t hash = hash_combine(graph.size(), graph.input_count());
  const auto add_sources = [&hash](std::span<const Source> sources) {
    hash = hash_combine(hash, sources.size());
    for (const Source& source : sources) {
      hash = hash_combine(hash_combine(hash, source.node), source.port);
    }
  };
  for (std::size_t node = 0; node < graph.size(); ++node) {
    add_sources(graph.inputs(node));
    hash = hash_combine(hash, fingerprint(static_cast<NodeTraits>(graph.traits(node))));
  }
  add_sources(graph.outputs());
  return hash;
}

}  // namespace reprise::inline v0::running
