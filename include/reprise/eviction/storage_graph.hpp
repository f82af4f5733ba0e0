// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Which storages were made from which, and what their evicted neighbourhoods cost.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <reprise/eviction/neighbourhood.hpp>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// The number of a storage.
using storage_id = std::uint32_t;

/// Storages, the edges between them, and the cost of the evicted ones around each.
///
/// A storage is unmade, present or evicted; only evicted ones are anybody's neighbours.
/// Neighbourhood costs are worked out when asked for and kept until an eviction or a recompute
/// changes them otherwise than by one storage's cost; `take_changed` lists the storages to ask
/// again. Ancestors and descendants are followed to the nearest `farthest` evicted ones, so that an
/// eviction takes a bounded time of its own however long a program is.
class StorageGraph {
 public:
  /// Evicted storages to which ancestors, or descendants, of one storage are followed.
  static constexpr std::size_t farthest = 4096;

  /// Empty, for policies that look no further than `neighbourhood`: other costs stay 0.
  explicit StorageGraph(Neighbourhood neighbourhood) : neighbourhood_(neighbourhood) {}

  /// A new storage: unmade, without edges, of cost 0. The numbers of removed ones are given again.
  [[nodiscard]] storage_id add() {
    if (free_.empty()) {
      nodes_.emplace_back();
      return static_cast<storage_id>(nodes_.size() - 1);
    }
    const storage_id id = free_.back();
    free_.pop_back();
    return id;
  }

  /// Forgets a storage that is not linked to any that stays.
  void remove(storage_id id) {
    if (nodes_[id].state == State::evicted) leave_class(id);
    nodes_[id] = Node{};
    free_.push_back(id);
  }

  /// Of the operations that make it, whatever state it is in.
  [[nodiscard]] std::uint64_t cost(storage_id id) const noexcept { return nodes_[id].cost; }
  /// One more operation makes a part of the storage.
  void add_cost(storage_id id, std::uint64_t cost) {
    Node& node = nodes_[id];
    node.cost += cost;
    if (node.state != State::evicted) return;
    if (neighbourhood_ == Neighbourhood::classes) classes_[root(node.class_node)].sum += cost;
    note_change_around(id);
  }

  /// `child` was made from `parent`.
  void link(storage_id parent, storage_id child) {
    if (parent == child || nodes_[parent].is_isolated || nodes_[child].is_isolated) return;
    if (is_linked(parent, child)) return;
    std::vector<Edge>& parents = nodes_[child].parents;
    std::vector<Edge>& children = nodes_[parent].children;
    parents.push_back({.to = parent, .mirror = static_cast<std::uint32_t>(children.size())});
    children.push_back({.to = child, .mirror = static_cast<std::uint32_t>(parents.size() - 1)});
    note(parent);
    note(child);
    watch(parent, child);
    watch(child, parent);
  }

  /// The storage is never evicted again, so that no neighbourhood leads through it: its edges go.
  /// Linear in them, however many its neighbours have.
  void isolate(storage_id id) {
    Node& node = nodes_[id];
    node.is_isolated = true;
    for (const Edge& edge : node.parents) take_out(edge, &Node::children, &Node::parents);
    for (const Edge& edge : node.children) take_out(edge, &Node::parents, &Node::children);
    node.parents.clear();
    node.children.clear();
  }

  /// It goes and can be recomputed: from now on a neighbour.
  void evict(storage_id id) {
    nodes_[id].state = State::evicted;
    if (neighbourhood_ == Neighbourhood::none) return;
    if (neighbourhood_ == Neighbourhood::classes) {
      join_class(id);
      note_class(id);
    } else {
      note_one_around(id, Change::joins);
    }
  }

  /// Its bytes are there, for the first time or again.
  void make(storage_id id) {
    const bool was_evicted = std::exchange(nodes_[id].state, State::present) == State::evicted;
    nodes_[id].forget();
    if (neighbourhood_ == Neighbourhood::none) return;
    if (neighbourhood_ != Neighbourhood::classes) {
      if (was_evicted) note_one_around(id, Change::leaves);
      return;
    }
    if (was_evicted) {
      note_class(id);
      leave_class(id);
    }
    for_each_neighbour(id, [&](storage_id neighbour) { watch(neighbour, id); });
  }

  /// It goes and will never be recomputed: nobody's neighbour.
  void unmake(storage_id id) noexcept { nodes_[id].state = State::unmade; }

  /// The cost of the evicted storages that the recompute of this one leads to, each once.
  [[nodiscard]] std::uint64_t evicted_ancestors(storage_id id) {
    if (neighbourhood_ != Neighbourhood::exact && neighbourhood_ != Neighbourhood::ancestors) {
      return 0;
    }
    return known(id, upwards);
  }
  /// The cost of the evicted storages whose recomputes lead to this one, each once.
  [[nodiscard]] std::uint64_t evicted_descendants(storage_id id) {
    return neighbourhood_ == Neighbourhood::exact ? known(id, downwards) : 0;
  }
  /// The cost of the classes of the evicted neighbours, each once.
  [[nodiscard]] std::uint64_t evicted_classes(storage_id id) {
    if (neighbourhood_ != Neighbourhood::classes) return 0;
    Node& node = nodes_[id];
    if (!std::exchange(node.is_class_sum_known, true)) node.classes = sum_of_classes(id);
    return node.classes;
  }

  /// The storages whose neighbourhoods changed since the last call.
  void take_changed(std::vector<storage_id>& changed) {
    changed.clear();
    changed.swap(changed_);
    for (const storage_id id : changed) nodes_[id].is_noted = false;
  }

  /// Calls f with each storage that an edge joins to this one.
  template <class F>
  void for_each_neighbour(storage_id id, F&& f) const {
    for (const Edge& edge : nodes_[id].parents) f(edge.to);
    for (const Edge& edge : nodes_[id].children) f(edge.to);
  }

 private:
  enum class State : std::uint8_t { unmade, present, evicted };
  enum class Change : std::uint8_t { joins, leaves };
  static constexpr std::uint32_t none = 0xFFFFFFFFU;

  /// An edge as one of its ends has it.
  struct Edge {
    storage_id to;
    std::uint32_t mirror;  ///< its place in the list of the other end
  };
  /// The cost of what is evicted in one direction.
  struct Sum {
    std::uint64_t cost = 0;
    bool is_known = false;
    bool is_whole = false;  ///< nothing lies farther than it was followed
  };
  struct Node {
    std::uint64_t seen = 0;
    std::uint64_t cost = 0;
    std::vector<Edge> parents{};
    std::vector<Edge> children{};
    State state = State::unmade;
    bool is_noted = false;
    bool is_isolated = false;
    bool is_class_sum_known = false;
    std::uint32_t class_node = none;
    std::uint64_t classes = 0;
    Sum ancestors{};
    Sum descendants{};

    void forget() noexcept {
      ancestors.is_known = false;
      descendants.is_known = false;
      is_class_sum_known = false;
    }
  };
  // Named, since nvcc puts parentheses into their declarations, of which the host's compiler warns.
  template <class Member>
  using Of = Member Node::*;
  /// Where a walk goes, back from where, and which sum it is for.
  struct Direction {
    Of<std::vector<Edge>> edges;
    Of<std::vector<Edge>> back;
    Of<Sum> sum;
  };
  static constexpr Direction upwards{&Node::parents, &Node::children, &Node::ancestors};
  static constexpr Direction downwards{&Node::children, &Node::parents, &Node::descendants};
  struct ClassNode {
    std::uint32_t parent = none;
    std::uint64_t sum = 0;                 ///< of a root: the cost of the class
    std::size_t evicted = 0;               ///< of a root: members that are still evicted
    std::vector<std::uint32_t> members{};  ///< of a root
    std::vector<storage_id> border{};      ///< of a root: present neighbours, perhaps repeated
  };

  // Takes the other end of an edge out of its list, whose last one takes its place.
  void take_out(const Edge& edge, Of<std::vector<Edge>> edges, Of<std::vector<Edge>> mirrored) {
    std::vector<Edge>& list = nodes_[edge.to].*edges;
    const Edge last = list.back();
    list.pop_back();
    if (edge.mirror == list.size()) return;
    list[edge.mirror] = last;
    (nodes_[last.to].*mirrored)[last.mirror].mirror = edge.mirror;
  }

  [[nodiscard]] std::uint64_t known(storage_id id, const Direction& direction) {
    Sum& sum = nodes_[id].*direction.sum;
    if (sum.is_known) return sum.cost;
    sum = {.cost = 0, .is_known = true};
    sum.is_whole = walk(id, direction.edges, [&](const Node& reached) {
      if (reached.state == State::evicted) sum.cost += reached.cost;
    });
    return sum.cost;
  }

  // Calls f with each storage that is reached through evicted ones only, evicted ones included, the
  // nearest first.
  // @returns true if there are none beyond the farthest that are followed
  template <class F>
  bool walk(storage_id from, Of<std::vector<Edge>> edges, F&& f) {
    ++walk_;
    nodes_[from].seen = walk_;
    queue_.assign(1, from);
    for (std::size_t head = 0; head < queue_.size(); ++head) {
      if (head == farthest) return false;
      for (const Edge& edge : nodes_[queue_[head]].*edges) {
        Node& next = nodes_[edge.to];
        if (std::exchange(next.seen, walk_) == walk_) continue;
        reached_ = edge.to;
        f(next);
        if (next.state == State::evicted) queue_.push_back(edge.to);
      }
    }
    return true;
  }

  // In the shorter list, so that neither many parents nor many children make each new edge dear.
  [[nodiscard]] bool is_linked(storage_id parent, storage_id child) const {
    const auto leads_to = [](const std::vector<Edge>& edges, storage_id id) {
      return std::ranges::find(edges, id, &Edge::to) != edges.end();
    };
    const std::vector<Edge>& parents = nodes_[child].parents;
    const std::vector<Edge>& children = nodes_[parent].children;
    return parents.size() < children.size() ? leads_to(parents, parent) : leads_to(children, child);
  }

  void note(storage_id id) {
    Node& node = nodes_[id];
    if (node.state != State::present) return;
    node.forget();
    list_changed(id);
  }
  void list_changed(storage_id id) {
    if (!std::exchange(nodes_[id].is_noted, true)) changed_.push_back(id);
  }

  void note_change_around(storage_id id) {
    if (neighbourhood_ == Neighbourhood::classes) {
      note_class(id);
      return;
    }
    walk(id, &Node::children, [&](const Node&) { note(reached_); });
    if (neighbourhood_ != Neighbourhood::exact) return;
    walk(id, &Node::parents, [&](const Node&) { note(reached_); });
  }

  // One storage joined the evicted ones or left them.
  void note_one_around(storage_id id, Change change) {
    note_one(id, change, upwards);
    if (neighbourhood_ == Neighbourhood::exact) note_one(id, change, downwards);
  }
  // Of those that look in a direction and see it. It goes alone where nothing evicted lies behind.
  void note_one(storage_id id, Change change, const Direction& look) {
    const bool is_alone = std::ranges::none_of(nodes_[id].*look.edges, [&](const Edge& edge) {
      return nodes_[edge.to].state == State::evicted;
    });
    const std::uint64_t cost = nodes_[id].cost;
    walk(id, look.back, [&](Node& seer) {
      if (seer.state != State::present) return;
      Sum& sum = seer.*look.sum;
      const bool is_joined = change == Change::joins;
      sum.is_known = sum.is_known && sum.is_whole && is_alone && (is_joined || sum.cost >= cost);
      if (sum.is_known) sum.cost = is_joined ? sum.cost + cost : sum.cost - cost;
      list_changed(reached_);
    });
  }

  // What is present at the border of a class hears of its changes; what went leaves the list here.
  void note_class(storage_id id) {
    std::vector<storage_id>& border = classes_[root(nodes_[id].class_node)].border;
    ++walk_;
    std::erase_if(border, [&](storage_id neighbour) {
      return nodes_[neighbour].state != State::present ||
             std::exchange(nodes_[neighbour].seen, walk_) == walk_;
    });
    for (const storage_id neighbour : border) note(neighbour);
  }

  void watch(storage_id evicted, storage_id present) {
    if (neighbourhood_ != Neighbourhood::classes || nodes_[evicted].state != State::evicted ||
        nodes_[present].state != State::present) {
      return;
    }
    classes_[root(nodes_[evicted].class_node)].border.push_back(present);
  }

  [[nodiscard]] std::uint32_t root(std::uint32_t node) {
    while (classes_[node].parent != none) {
      const std::uint32_t parent = classes_[node].parent;
      if (classes_[parent].parent != none) classes_[node].parent = classes_[parent].parent;
      node = parent;
    }
    return node;
  }

  void join_class(storage_id id) {
    const std::uint32_t node = take_class_node();
    classes_[node] = {.sum = nodes_[id].cost, .evicted = 1, .members = {node}};
    nodes_[id].class_node = node;
    for_each_neighbour(id, [&](storage_id neighbour) {
      if (nodes_[neighbour].state == State::evicted) merge(node, nodes_[neighbour].class_node);
      watch(id, neighbour);
    });
  }

  [[nodiscard]] std::uint32_t take_class_node() {
    if (free_classes_.empty()) {
      classes_.emplace_back();
      return static_cast<std::uint32_t>(classes_.size() - 1);
    }
    const std::uint32_t node = free_classes_.back();
    free_classes_.pop_back();
    return node;
  }

  void merge(std::uint32_t a, std::uint32_t b) {
    a = root(a);
    b = root(b);
    if (a == b) return;
    if (classes_[a].members.size() < classes_[b].members.size()) std::swap(a, b);
    ClassNode& into = classes_[a];
    ClassNode& from = classes_[b];
    into.sum += from.sum;
    into.evicted += from.evicted;
    into.members.insert(into.members.end(), from.members.begin(), from.members.end());
    if (into.border.size() < from.border.size()) into.border.swap(from.border);
    into.border.insert(into.border.end(), from.border.begin(), from.border.end());
    from.members = {};
    from.border = {};
    from.parent = a;
  }

  void leave_class(storage_id id) {
    const std::uint32_t node = std::exchange(nodes_[id].class_node, none);
    if (node == none) return;
    ClassNode& of_class = classes_[root(node)];
    of_class.sum -= nodes_[id].cost;
    if (--of_class.evicted > 0) return;
    const std::vector<std::uint32_t> members = std::move(of_class.members);
    for (const std::uint32_t member : members) {
      classes_[member] = ClassNode{};
      free_classes_.push_back(member);
    }
  }

  [[nodiscard]] std::uint64_t sum_of_classes(storage_id id) {
    roots_.clear();
    for_each_neighbour(id, [&](storage_id neighbour) {
      if (nodes_[neighbour].state == State::evicted) {
        roots_.push_back(root(nodes_[neighbour].class_node));
      }
    });
    std::ranges::sort(roots_);
    roots_.erase(std::unique(roots_.begin(), roots_.end()), roots_.end());
    std::uint64_t sum = 0;
    for (const std::uint32_t node : roots_) sum += classes_[node].sum;
    return sum;
  }

  Neighbourhood neighbourhood_;
  std::vector<Node> nodes_;
  std::vector<storage_id> free_;
  std::vector<ClassNode> classes_;
  std::vector<std::uint32_t> free_classes_;
  std::vector<storage_id> changed_;
  std::vector<storage_id> queue_;
  storage_id reached_ = 0;  ///< by a walk
  std::vector<std::uint32_t> roots_;
  std::uint64_t walk_ = 0;
};

}  // namespace reprise::inline v0
