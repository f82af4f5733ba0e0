// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// joined: no
#include <doctest/doctest.h>

#if __has_include(<boost/graph/push_relabel_max_flow.hpp>)
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/push_relabel_max_flow.hpp>
#define REPRISE_HAS_BOOST_GRAPH 1
#endif

#include <cstddef>
#include <cstdint>
#include <random>
#include <reprise/planner/staged/max_flow.hpp>
#include <vector>

#include "support/seed.hpp"
#include "support/skip.hpp"

namespace {

using reprise::staged::MaxFlow;

struct Arc {
  std::uint32_t from;
  std::uint32_t to;
  MaxFlow::capacity_type capacity;
};

struct Network {
  std::uint32_t nodes;
  std::vector<Arc> arcs;
};

/// From the first node to the last; few nodes, so that arcs are parallel, in circles and to
/// oneself.
Network random_network(std::mt19937_64& random, std::uint32_t most_nodes) {
  Network network{.nodes = 2 + static_cast<std::uint32_t>(random() % (most_nodes - 1)), .arcs = {}};
  const std::size_t arcs = random() % (4 * network.nodes);
  for (std::size_t i = 0; i < arcs; ++i) {
    const auto pick = [&] { return static_cast<std::uint32_t>(random() % network.nodes); };
    network.arcs.push_back({pick(), pick(), static_cast<MaxFlow::capacity_type>(random() % 20)});
  }
  return network;
}

MaxFlow flow_of(const Network& network) {
  MaxFlow flow(network.nodes);
  for (const Arc& arc : network.arcs) flow.add_arc(arc.from, arc.to, arc.capacity);
  return flow;
}

/// What the arcs that leave a set of nodes can carry.
template <class F>
MaxFlow::capacity_type cut_value(const Network& network, F is_inside) {
  MaxFlow::capacity_type value = 0;
  for (const Arc& arc : network.arcs) {
    if (is_inside(arc.from) && !is_inside(arc.to)) value += arc.capacity;
  }
  return value;
}

}  // namespace

TEST_CASE("the flow's value is that of its cut, and no cut of a small network is cheaper") {
  REPRISE_SEEDED(random);
  for (int i = 0; i < 2000; ++i) {
    CAPTURE(i);
    const Network network = random_network(random, 9);
    const std::uint32_t sink = network.nodes - 1;
    MaxFlow flow = flow_of(network);
    const MaxFlow::capacity_type value = flow.solve(0, sink);
    REQUIRE(flow.is_on_source_side(0));
    REQUIRE_FALSE(flow.is_on_source_side(sink));
    CHECK(cut_value(network, [&](std::uint32_t n) { return flow.is_on_source_side(n); }) == value);
    for (std::uint32_t set = 1; set < (1U << sink); set += 2) {
      const auto is_inside = [&](std::uint32_t n) { return ((set >> n) & 1U) != 0; };
      REQUIRE(cut_value(network, is_inside) >= value);
    }
  }
}

TEST_CASE("capacities that grow between solves end where they would have begun") {
  REPRISE_SEEDED(random);
  for (int i = 0; i < 500; ++i) {
    CAPTURE(i);
    Network network = random_network(random, 30);
    MaxFlow flow = flow_of(network);
    for (int round = 0; round < 5; ++round) {
      flow.solve(0, network.nodes - 1);
      for (std::size_t a = 0; a < network.arcs.size(); ++a) {
        const auto by = static_cast<MaxFlow::capacity_type>(random() % 5);
        network.arcs[a].capacity += by;
        flow.grow(static_cast<std::uint32_t>(2 * a), by);
      }
    }
    MaxFlow fresh = flow_of(network);
    CHECK(flow.solve(0, network.nodes - 1) == fresh.solve(0, network.nodes - 1));
    for (std::uint32_t n = 0; n < network.nodes; ++n) {
      CHECK(flow.is_on_source_side(n) == fresh.is_on_source_side(n));
    }
  }
}

TEST_CASE(
    "merging the source's side of a cut leaves the flow as it is, and lets no less grow on it") {
  REPRISE_SEEDED(random);
  for (int i = 0; i < 500; ++i) {
    CAPTURE(i);
    const Network network = random_network(random, 30);
    const std::uint32_t sink = network.nodes - 1;
    MaxFlow flow = flow_of(network);
    const MaxFlow::capacity_type value = flow.solve(0, sink);
    // The source's side becomes one node; what is on the other side stays apart.
    std::vector<std::uint32_t> into(network.nodes, 0);
    std::uint32_t count = 1;
    for (std::uint32_t n = 0; n < network.nodes; ++n) {
      if (!flow.is_on_source_side(n)) into[n] = count++;
    }
    MaxFlow merged = flow;
    const std::vector<std::uint32_t> numbers =
        merged.merge(into, count, {.source = 0, .sink = into[sink]});
    REQUIRE(merged.node_count() == count);
    REQUIRE(numbers.size() == network.arcs.size());
    CHECK(merged.solve(0, into[sink]) == value);
    MaxFlow::capacity_type from_end_to_end = 0;
    for (std::size_t a = 0; a < network.arcs.size(); ++a) {
      const auto& arc = network.arcs[a];
      const std::uint32_t from = into[arc.from];
      const std::uint32_t to = into[arc.to];
      if (from == to || to == 0 || from == into[sink]) {
        CHECK(numbers[a] == MaxFlow::no_arc);
        continue;
      }
      const bool is_settled = from == 0 && to == into[sink];
      CHECK((numbers[a] == MaxFlow::no_arc) == is_settled);
      const auto by = static_cast<MaxFlow::capacity_type>(random() % 5);
      flow.grow(static_cast<std::uint32_t>(2 * a), by);
      if (is_settled) {
        from_end_to_end += by;
      } else {
        merged.grow(numbers[a], by);
      }
    }
    // More can flow through one node than through several.
    CHECK(merged.solve(0, into[sink]) + from_end_to_end >= flow.solve(0, sink));
  }
}

TEST_CASE("a cut goes through an unlimited arc only where there is no other") {
  MaxFlow flow(4);
  flow.add_arc(0, 1, MaxFlow::unlimited);
  flow.add_arc(1, 2, 7);
  flow.add_arc(2, 3, MaxFlow::unlimited);
  CHECK(flow.solve(0, 3) == 7);
  CHECK(flow.is_on_source_side(1));
  CHECK_FALSE(flow.is_on_source_side(2));
}

TEST_CASE("arcs between nodes that do not exist and negative capacities are refused") {
  MaxFlow flow(2);
  CHECK_THROWS_WITH_AS(flow.add_arc(0, 2, 1), "an arc from 0 to 2 of capacity 1 among 2 nodes",
                       reprise::InvalidArgument);
  CHECK_THROWS_AS(flow.add_arc(0, 1, -1), reprise::InvalidArgument);
}

#ifdef REPRISE_HAS_BOOST_GRAPH

TEST_CASE("the value is that of Boost.Graph's push-relabel on larger networks") {
  using Traits = boost::adjacency_list_traits<boost::vecS, boost::vecS, boost::directedS>;
  using Graph = boost::adjacency_list<
      boost::vecS, boost::vecS, boost::directedS, boost::no_property,
      boost::property<
          boost::edge_capacity_t, MaxFlow::capacity_type,
          boost::property<boost::edge_residual_capacity_t, MaxFlow::capacity_type,
                          boost::property<boost::edge_reverse_t, Traits::edge_descriptor>>>>;
  REPRISE_SEEDED(random);
  for (int i = 0; i < 200; ++i) {
    CAPTURE(i);
    const Network network = random_network(random, 1000);
    Graph graph(network.nodes);
    for (const Arc& arc : network.arcs) {
      const auto there = boost::add_edge(arc.from, arc.to, graph).first;
      const auto back = boost::add_edge(arc.to, arc.from, graph).first;
      boost::put(boost::edge_capacity, graph, there, arc.capacity);
      boost::put(boost::edge_capacity, graph, back, 0);
      boost::put(boost::edge_reverse, graph, there, back);
      boost::put(boost::edge_reverse, graph, back, there);
    }
    MaxFlow flow = flow_of(network);
    const std::uint32_t sink = network.nodes - 1;
    CHECK(flow.solve(0, sink) == boost::push_relabel_max_flow(graph, 0, sink));
  }
}

#else

TEST_CASE("the value is that of Boost.Graph's push-relabel on larger networks") {
  return reprise_test::skip("Boost.Graph is not installed");
}

#endif
