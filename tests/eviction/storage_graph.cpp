// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <reprise/eviction/storage_graph.hpp>
#include <set>
#include <utility>
#include <vector>

#include "support/seed.hpp"

namespace {

using reprise::Neighbourhood;
using reprise::storage_id;
using reprise::StorageGraph;

/// The definition, without anything kept up to date.
struct Model {
  std::vector<std::uint64_t> costs;
  std::vector<int> states;  // 0 unmade, 1 present, 2 evicted
  std::vector<std::vector<storage_id>> parents;
  std::vector<std::vector<storage_id>> children;
  // Classes as sets of evictions; a recomputed member takes its cost along and leaves a hole.
  std::vector<int> class_of;
  std::vector<std::uint64_t> sums;

  std::uint64_t reach(storage_id from, const std::vector<std::vector<storage_id>>& edges) const {
    std::set<storage_id> seen{from};
    std::vector<storage_id> todo{from};
    std::uint64_t sum = 0;
    while (!todo.empty()) {
      const storage_id at = todo.back();
      todo.pop_back();
      for (const storage_id next : edges[at]) {
        if (states[next] != 2 || !seen.insert(next).second) continue;
        sum += costs[next];
        todo.push_back(next);
      }
    }
    return sum;
  }
  template <class F>
  void for_each_evicted_neighbour(storage_id id, F&& f) const {
    for (const storage_id n : parents[id]) {
      if (states[n] == 2) f(n);
    }
    for (const storage_id n : children[id]) {
      if (states[n] == 2) f(n);
    }
  }
  void evict(storage_id id) {
    states[id] = 2;
    const int own = static_cast<int>(sums.size());
    sums.push_back(costs[id]);
    class_of[id] = own;
    for_each_evicted_neighbour(id, [&](storage_id n) {
      const int other = class_of[n];
      if (other == class_of[id]) return;
      sums[static_cast<std::size_t>(class_of[id])] += sums[static_cast<std::size_t>(other)];
      for (int& c : class_of) c = c == other ? class_of[id] : c;
    });
  }
  void make(storage_id id) {
    if (states[id] == 2) sums[static_cast<std::size_t>(class_of[id])] -= costs[id];
    class_of[id] = -1;
    states[id] = 1;
  }
  std::uint64_t classes(storage_id id) const {
    std::set<int> around;
    for_each_evicted_neighbour(id, [&](storage_id n) { around.insert(class_of[n]); });
    std::uint64_t sum = 0;
    for (const int c : around) sum += sums[static_cast<std::size_t>(c)];
    return sum;
  }
};

}  // namespace

TEST_CASE("neighbourhood costs follow evictions and recomputes") {
  REPRISE_SEEDED(random);
  for (int round = 0; round < 60; ++round) {
    StorageGraph exact(Neighbourhood::exact);
    StorageGraph classes(Neighbourhood::classes);
    Model model;
    const std::size_t count = 2 + random() % 30;
    for (storage_id id = 0; id < count; ++id) {
      const std::uint64_t cost = random() % 10;
      REQUIRE(exact.add() == id);
      REQUIRE(classes.add() == id);
      exact.add_cost(id, cost);
      classes.add_cost(id, cost);
      model.costs.push_back(cost);
      model.states.push_back(0);
      model.parents.emplace_back();
      model.children.emplace_back();
      model.class_of.push_back(-1);
      for (std::size_t n = id == 0 ? 0 : random() % 3; n > 0; --n) {
        const auto parent = static_cast<storage_id>(random() % id);
        if (std::ranges::find(model.parents[id], parent) == model.parents[id].end()) {
          model.parents[id].push_back(parent);
          model.children[parent].push_back(id);
        }
        exact.link(parent, id);
        classes.link(parent, id);
      }
    }
    for (int step = 0; step < 200; ++step) {
      const auto id = static_cast<storage_id>(random() % count);
      if (model.states[id] == 1) {
        exact.evict(id);
        classes.evict(id);
        model.evict(id);
      } else {
        exact.make(id);
        classes.make(id);
        model.make(id);
      }
      for (storage_id other = 0; other < count; ++other) {
        if (model.states[other] != 1) continue;
        REQUIRE(exact.evicted_ancestors(other) == model.reach(other, model.parents));
        REQUIRE(exact.evicted_descendants(other) == model.reach(other, model.children));
        REQUIRE(classes.evicted_classes(other) == model.classes(other));
      }
    }
  }
}

TEST_CASE("what changes is listed once") {
  StorageGraph graph(Neighbourhood::exact);
  const storage_id a = graph.add();
  const storage_id b = graph.add();
  const storage_id c = graph.add();
  graph.link(a, b);
  graph.link(b, c);
  for (const storage_id id : {a, b, c}) graph.make(id);
  std::vector<storage_id> changed;
  graph.take_changed(changed);
  graph.evict(b);
  graph.take_changed(changed);
  CHECK(std::set<storage_id>(changed.begin(), changed.end()) == std::set<storage_id>{a, c});
  CHECK(changed.size() == 2);
  graph.take_changed(changed);
  CHECK(changed.empty());
}

TEST_CASE("no neighbourhood leads through what never goes") {
  StorageGraph graph(Neighbourhood::exact);
  const storage_id weight = graph.add();
  graph.isolate(weight);
  const storage_id made = graph.add();
  graph.link(weight, made);
  graph.make(weight);
  graph.make(made);
  std::size_t neighbours = 0;
  graph.for_each_neighbour(made, [&](storage_id) { ++neighbours; });
  CHECK(neighbours == 0);
}

TEST_CASE("a neighbourhood is followed to the nearest that are evicted, however many there are") {
  constexpr storage_id length = 4 * StorageGraph::farthest;
  StorageGraph graph(Neighbourhood::exact);
  for (storage_id id = 0; id < length; ++id) {
    static_cast<void>(graph.add());
    graph.add_cost(id, 1);
    if (id > 0) graph.link(id - 1, id);
    graph.make(id);
  }
  for (storage_id id = 1; id + 1 < length; ++id) graph.evict(id);
  CHECK(graph.evicted_descendants(0) == StorageGraph::farthest);
  CHECK(graph.evicted_ancestors(length - 1) == StorageGraph::farthest);
  // In the middle it becomes two again.
  graph.make(length / 2);
  CHECK(graph.evicted_ancestors(length / 2) == StorageGraph::farthest);
  graph.make(length / 2 + 10);
  CHECK(graph.evicted_descendants(length / 2) == 9);
  CHECK(graph.evicted_ancestors(length / 2 + 10) == 9);
}

// That its time is not quadratic shows in that it ends: 200,000 edges of one storage would be gone
// through 200,000 times.
TEST_CASE("of many edges of one storage each goes by itself") {
  constexpr std::uint32_t many = 200'000;
  for (const bool is_parent : {true, false}) {
    CAPTURE(is_parent);
    StorageGraph graph(Neighbourhood::ancestors);
    const storage_id hub = graph.add();
    std::vector<storage_id> others;
    for (std::uint32_t i = 0; i < many; ++i) {
      others.push_back(graph.add());
      graph.add_cost(others.back(), 1);
      if (is_parent) {
        graph.link(hub, others.back());
      } else {
        graph.link(others.back(), hub);
      }
    }
    const auto edges = [&] {
      std::size_t count = 0;
      graph.for_each_neighbour(hub, [&](storage_id /*other*/) { ++count; });
      return count;
    };
    CHECK(edges() == many);
    for (std::uint32_t i = 0; i + 2 < many; ++i) {
      graph.isolate(others[i]);
      graph.remove(others[i]);
    }
    std::set<storage_id> left;
    graph.for_each_neighbour(hub, [&](storage_id other) { left.insert(other); });
    CHECK(left == std::set<storage_id>{others[many - 2], others[many - 1]});
    graph.isolate(hub);
    for (const storage_id other : left) {
      std::size_t count = 0;
      graph.for_each_neighbour(other, [&](storage_id /*hub*/) { ++count; });
      CHECK(count == 0);
    }
  }
}
