// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// When a forward that has no backward is done with each node's outputs.

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <reprise/core/layer_graph.hpp>
#include <span>
#include <vector>

namespace reprise::inline v0 {

/// For each node of a graph, the nodes whose outputs nobody reads after it.
class OutputLifetimes {
 public:
  /// @param keeps_outputs whether the graph's outputs outlive every node
  template <HasTopology G>
  OutputLifetimes(const G& graph, bool keeps_outputs)
      : last_reader_(graph.size()), by_end_(graph.size()) {
    std::iota(last_reader_.begin(), last_reader_.end(), std::size_t{0});
    for (std::size_t node = 0; node < graph.size(); ++node) {
      for (const Source& source : graph.inputs(node)) {
        if (!source.is_graph_input()) last_reader_[source.node] = node;
      }
    }
    if (keeps_outputs) {
      for (const Source& output : graph.outputs()) last_reader_[output.node] = graph.size();
    }
    std::iota(by_end_.begin(), by_end_.end(), std::size_t{0});
    std::ranges::stable_sort(by_end_, {}, [&](std::size_t node) { return last_reader_[node]; });
  }

  /// The nodes whose outputs go after `node`. Logarithmic in the graph.
  [[nodiscard]] std::span<const std::size_t> ended_after(std::size_t node) const {
    const auto reader = [&](std::size_t other) { return last_reader_[other]; };
    const auto first = std::ranges::lower_bound(by_end_, node, {}, reader);
    const auto last = std::ranges::upper_bound(by_end_, node, {}, reader);
    return {first, last};
  }

 private:
  std::vector<std::size_t> last_reader_;
  std::vector<std::size_t> by_end_;
};

}  // namespace reprise::inline v0
