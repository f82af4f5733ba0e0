// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Maximum flow and minimum cut.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <reprise/core/error.hpp>
#include <reprise/planner/search_watch.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0::staged {

/// The largest flow from a source to a sink, and with it the cheapest cut between them.
///
/// Capacities may grow between calls of `solve`, which then goes on from the flow that is there: a
/// row of growing capacities costs little more than the last one alone. On graphs whose paths are
/// short, as here, it is close to linear. Source: Dinic, "Algorithm for solution of a problem of
/// maximum flow in networks with power estimation", 1970.
class MaxFlow {
 public:
  using capacity_type = std::int64_t;  ///< whole, so that sums are exact
  /// No cut goes through an arc of this capacity, if another one exists.
  static constexpr capacity_type unlimited = std::numeric_limits<capacity_type>::max() / 4;
  /// The number of no arc.
  static constexpr std::uint32_t no_arc = std::numeric_limits<std::uint32_t>::max();

  /// No arcs yet.
  /// @param watch ends `solve` and `merge`; the flow may only be destroyed then
  explicit MaxFlow(std::uint32_t node_count, SearchWatch watch = {})
      : first_(node_count, no_arc), level_(node_count), watch_(watch) {}

  /// Nodes, the source and the sink included.
  [[nodiscard]] std::uint32_t node_count() const noexcept {
    return static_cast<std::uint32_t>(first_.size());
  }

  /// Adds an arc.
  /// @returns its number
  /// @throws InvalidArgument if a node does not exist or the capacity is negative
  std::uint32_t add_arc(std::uint32_t from, std::uint32_t to, capacity_type capacity) {
    if (from >= node_count() || to >= node_count() || capacity < 0) refuse(from, to, capacity);
    const auto number = static_cast<std::uint32_t>(arcs_.size());
    arcs_.push_back({.to = to, .next = first_[from], .residual = capacity});
    first_[from] = number;
    arcs_.push_back({.to = from, .next = first_[to], .residual = 0});
    first_[to] = number + 1;
    return number;
  }

  /// Adds to the capacity of an arc.
  void grow(std::uint32_t arc, capacity_type by) noexcept { arcs_[arc].residual += by; }

  /// Makes the flow as large as it can be.
  /// @returns its value
  /// @throws TimeIsUp if its watch ended it
  capacity_type solve(std::uint32_t source, std::uint32_t sink) {
    while (find_levels(source, sink)) {
      current_ = first_;
      value_ += augment(source, sink);
    }
    return value_;
  }

  /// The nodes between which `solve` was asked for a flow, by their new numbers.
  struct Ends {
    std::uint32_t source;
    std::uint32_t sink;
  };
  /// Makes one node of several, with the flow that is there. Arcs from a node to itself, from end
  /// to end, and those that no flow between the ends uses go; the others get new numbers. The last
  /// cut is forgotten. Linear in nodes and arcs.
  /// @param into for each node the number of the one that it becomes part of
  /// @param node_count after that; all numbers are below it
  /// @param ends which stay those of `solve`; what flows between them directly stays in its value
  /// @returns for every other number from 0 on, which is that of an arc added: its new one, or
  ///   `no_arc`
  std::vector<std::uint32_t> merge(std::span<const std::uint32_t> into, std::uint32_t node_count,
                                   Ends ends) {
    const std::vector<Arc> before = std::exchange(arcs_, {});
    arcs_.reserve(before.size());
    first_.assign(node_count, no_arc);
    level_.assign(node_count, 0);
    std::vector<std::uint32_t> numbers;
    numbers.reserve(before.size() / 2);
    for (std::size_t a = 0; a < before.size(); a += 2) {
      watch_.spend(2);
      const std::uint32_t from = into[before[a + 1].to];
      const std::uint32_t to = into[before[a].to];
      const bool is_of_use = can_carry(from, to, before[a + 1].residual > 0, ends);
      numbers.push_back(is_of_use ? add_arc(from, to, before[a].residual) : no_arc);
      if (is_of_use) arcs_.back().residual = before[a + 1].residual;
    }
    return numbers;
  }

  /// True for the nodes on the source's side of the smallest cheapest cut, once solved.
  [[nodiscard]] bool is_on_source_side(std::uint32_t node) const noexcept {
    return level_[node] != unreached;
  }

 private:
  static constexpr std::uint32_t unreached = no_arc;

  struct Arc {
    std::uint32_t to;
    std::uint32_t next;
    capacity_type residual;
  };

  [[noreturn]] void refuse(std::uint32_t from, std::uint32_t to, capacity_type capacity) const {
    throw InvalidArgument("an arc from " + std::to_string(from) + " to " + std::to_string(to) +
                          " of capacity " + std::to_string(capacity) + " among " +
                          std::to_string(node_count()) + " nodes");
  }

  // No further flow enters the source or leaves the sink; what did so may still be taken back. Flow
  // from end to end is there for good.
  [[nodiscard]] static bool can_carry(std::uint32_t from, std::uint32_t to, bool has_flow,
                                      Ends ends) noexcept {
    const bool is_settled =
        (from == ends.source || from == ends.sink) && (to == ends.source || to == ends.sink);
    if (from == to || is_settled) return false;
    return has_flow || (to != ends.source && from != ends.sink);
  }

  // Breadth first over what has capacity left; all of it, so that the cut can be read off.
  bool find_levels(std::uint32_t source, std::uint32_t sink) {
    std::ranges::fill(level_, unreached);
    queue_.assign(1, source);
    level_[source] = 0;
    for (std::size_t head = 0; head < queue_.size(); ++head) {
      const std::uint32_t node = queue_[head];
      for (std::uint32_t a = first_[node]; a != no_arc; a = arcs_[a].next) {
        const Arc& arc = arcs_[a];
        watch_.spend(1);
        if (arc.residual == 0 || level_[arc.to] != unreached) continue;
        level_[arc.to] = level_[node] + 1;
        queue_.push_back(arc.to);
      }
    }
    return level_[sink] != unreached;
  }

  // A blocking flow by depth-first search with an explicit stack.
  capacity_type augment(std::uint32_t source, std::uint32_t sink) {
    capacity_type pushed = 0;
    path_.clear();
    std::uint32_t node = source;
    while (true) {
      if (node == sink) {
        const std::size_t kept = push_along_path(pushed);
        node = kept == 0 ? source : arcs_[path_[kept - 1]].to;
        path_.resize(kept);
        continue;
      }
      const std::uint32_t arc = next_arc(node);
      if (arc != no_arc) {
        path_.push_back(arc);
        node = arcs_[arc].to;
      } else if (path_.empty()) {
        return pushed;
      } else {
        // Nothing leads on from here in this phase.
        level_[node] = unreached;
        node = arcs_[path_.back() ^ 1U].to;
        path_.pop_back();
      }
    }
  }

  [[nodiscard]] std::uint32_t next_arc(std::uint32_t node) {
    std::uint32_t& a = current_[node];
    while (a != no_arc) {
      const Arc& arc = arcs_[a];
      watch_.spend(1);
      if (arc.residual > 0 && level_[arc.to] == level_[node] + 1) break;
      a = arc.next;
    }
    return a;
  }

  // Returns how much of the path, from the source, still has capacity.
  std::size_t push_along_path(capacity_type& pushed) {
    watch_.spend(path_.size());
    capacity_type amount = unlimited;
    for (const std::uint32_t a : path_) amount = std::min(amount, arcs_[a].residual);
    std::size_t kept = path_.size();
    for (std::size_t i = path_.size(); i-- > 0;) {
      arcs_[path_[i]].residual -= amount;
      arcs_[path_[i] ^ 1U].residual += amount;
      if (arcs_[path_[i]].residual == 0) kept = i;
    }
    pushed += amount;
    return kept;
  }

  std::vector<Arc> arcs_;
  std::vector<std::uint32_t> first_;
  std::vector<std::uint32_t> current_;
  std::vector<std::uint32_t> level_;
  std::vector<std::uint32_t> queue_;
  std::vector<std::uint32_t> path_;
  capacity_type value_ = 0;
  SearchWatch watch_;
};

}  // namespace reprise::inline v0::staged
