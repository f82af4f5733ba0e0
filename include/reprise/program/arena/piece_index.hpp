// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The first of the pieces that fit into a time.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <reprise/program/arena/sections.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0::arena {

/// Finds the piece of the highest priority that begins and ends within a range of sections: a tree
/// over pieces as points (first, last), cut at medians in turn. The same on every machine.
class PieceIndex {
 public:
  static constexpr std::uint32_t none = 0xFFFFFFFFU;  ///< no piece

  /// n log n.
  explicit PieceIndex(std::span<const SectionRange> ranges) : ranges_(ranges) {
    order_.resize(ranges.size());
    std::iota(order_.begin(), order_.end(), 0U);
    places_.resize(ranges.size());
    priorities_.assign(ranges.size(), 0);
    if (!ranges.empty()) build(root, 0, size(), true);
    for (std::uint32_t i = 0; i < size(); ++i) places_[order_[i]] = i;
  }

  /// Puts all pieces back, with other priorities, each above 0. Linear.
  void fill(std::span<const double> priorities) {
    priorities_.assign(priorities.begin(), priorities.end());
    if (!priorities_.empty()) refresh(root, 0, size());
  }

  /// The first piece that lies within the range, or `none`. Mostly logarithmic.
  [[nodiscard]] std::uint32_t best(SectionRange range) {
    found_ = none;
    found_priority_ = 0;
    if (!order_.empty()) look(root, 0, size(), range);
    return found_;
  }

  /// Takes a piece out. Logarithmic.
  void erase(std::uint32_t piece) {
    priorities_[piece] = 0;
    update(root, 0, size(), places_[piece]);
  }

  /// Nodes that were looked at so far.
  [[nodiscard]] std::uint64_t steps() const noexcept { return steps_; }

 private:
  static constexpr std::uint32_t leaf_size = 8;
  static constexpr std::uint32_t root = 1;

  struct Node {
    std::uint32_t latest_first = 0;
    std::uint32_t earliest_last = 0;
    double priority = 0;
  };

  [[nodiscard]] std::uint32_t size() const noexcept {
    return static_cast<std::uint32_t>(order_.size());
  }
  [[nodiscard]] static bool is_leaf(std::uint32_t begin, std::uint32_t end) noexcept {
    return end - begin <= leaf_size;
  }
  [[nodiscard]] static std::uint32_t middle(std::uint32_t begin, std::uint32_t end) noexcept {
    return begin + (end - begin) / 2;
  }

  void build(std::uint32_t node, std::uint32_t begin, std::uint32_t end, bool by_first) {
    if (node >= nodes_.size()) nodes_.resize(node + 1U);
    Node bounds{.latest_first = 0, .earliest_last = std::numeric_limits<std::uint32_t>::max()};
    for (std::uint32_t i = begin; i < end; ++i) {
      bounds.latest_first = std::max(bounds.latest_first, ranges_[order_[i]].first);
      bounds.earliest_last = std::min(bounds.earliest_last, ranges_[order_[i]].last);
    }
    nodes_[node] = bounds;
    const auto at = [&](std::uint32_t i) {
      return order_.begin() + static_cast<std::ptrdiff_t>(i);
    };
    if (is_leaf(begin, end)) {
      std::sort(at(begin), at(end));
      return;
    }
    const std::uint32_t half = middle(begin, end);
    std::nth_element(at(begin), at(half), at(end), [&](std::uint32_t a, std::uint32_t b) {
      return by_first ? std::pair(ranges_[a].first, a) < std::pair(ranges_[b].first, b)
                      : std::pair(ranges_[a].last, a) < std::pair(ranges_[b].last, b);
    });
    build(2 * node, begin, half, !by_first);
    build(2 * node + 1, half, end, !by_first);
  }

  void refresh(std::uint32_t node, std::uint32_t begin, std::uint32_t end) {
    if (!is_leaf(begin, end)) {
      refresh(2 * node, begin, middle(begin, end));
      refresh(2 * node + 1, middle(begin, end), end);
    }
    summarise(node, begin, end);
  }

  void update(std::uint32_t node, std::uint32_t begin, std::uint32_t end, std::uint32_t place) {
    ++steps_;
    if (!is_leaf(begin, end)) {
      const std::uint32_t half = middle(begin, end);
      if (place < half) {
        update(2 * node, begin, half, place);
      } else {
        update(2 * node + 1, half, end, place);
      }
    }
    summarise(node, begin, end);
  }

  void summarise(std::uint32_t node, std::uint32_t begin, std::uint32_t end) {
    double most = 0;
    if (is_leaf(begin, end)) {
      for (std::uint32_t i = begin; i < end; ++i) most = std::max(most, priorities_[order_[i]]);
    } else {
      most = std::max(nodes_[std::size_t{2} * node].priority,
                      nodes_[std::size_t{2} * node + 1].priority);
    }
    nodes_[node].priority = most;
  }

  void look(std::uint32_t node, std::uint32_t begin, std::uint32_t end, SectionRange range) {
    ++steps_;
    if (nodes_[node].priority <= found_priority_) return;
    if (nodes_[node].latest_first < range.first || nodes_[node].earliest_last > range.last) return;
    if (is_leaf(begin, end)) {
      for (std::uint32_t i = begin; i < end; ++i) consider(order_[i], range);
      return;
    }
    const std::uint32_t half = middle(begin, end);
    const bool is_left_first =
        nodes_[std::size_t{2} * node].priority >= nodes_[std::size_t{2} * node + 1].priority;
    if (is_left_first) look(2 * node, begin, half, range);
    look(2 * node + 1, half, end, range);
    if (!is_left_first) look(2 * node, begin, half, range);
  }

  void consider(std::uint32_t piece, SectionRange range) {
    if (priorities_[piece] <= found_priority_ || ranges_[piece].first < range.first ||
        ranges_[piece].last > range.last) {
      return;
    }
    found_ = piece;
    found_priority_ = priorities_[piece];
  }

  std::span<const SectionRange> ranges_;
  std::vector<std::uint32_t> order_;
  std::vector<std::uint32_t> places_;  ///< piece -> where it is in the order
  std::vector<double> priorities_;     ///< piece -> 0 once it is out
  std::vector<Node> nodes_;
  std::uint32_t found_ = none;
  double found_priority_ = 0;
  std::uint64_t steps_ = 0;
};

}  // namespace reprise::inline v0::arena
