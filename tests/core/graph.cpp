// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <functional>
#include <reprise/core/graph.hpp>
#include <vector>

namespace {

using Tensor = std::vector<float>;

struct Pass {
  using tensor_type = Tensor;
  std::vector<float> gradient{1.0F, 2.0F};

  Tensor forward(const Tensor& x, reprise::PassContext&) const { return x; }
  Tensor backward(const Tensor& dy, reprise::PassContext&) const { return dy; }
  template <class F>
  void for_each_gradient(F&& f) {
    f(std::span<float>(gradient));
  }
};

}  // namespace

TEST_CASE("nodes are layers of their own unless a layer is open") {
  reprise::Graph<Tensor> graph;
  const auto x = graph.input();
  const auto a = graph.add(Pass{}, x);
  graph.begin_layer("block");
  const auto b = graph.add(Pass{}, a);
  const auto c = graph.add(Pass{}, b);
  graph.end_layer();
  graph.output(graph.add(Pass{}, c));
  CHECK(graph.size() == 4);
  CHECK(reprise::layer_count(graph) == 3);
  CHECK(graph.traits(1).layer == graph.traits(2).layer);
  CHECK(graph.layer_name(1) == "block");
  CHECK(graph.layer_name(2) == "layer 2");
}

TEST_CASE("a borrowed node shares its parameters") {
  Pass node;
  reprise::Graph<Tensor> graph;
  const auto a = graph.add(std::ref(node), graph.input());
  graph.output(graph.add(std::ref(node), a));
  for (std::size_t n = 0; n < 2; ++n) {
    graph.for_each_gradient(n, [&](auto gradient) {
      CHECK(static_cast<const void*>(gradient.data()) == node.gradient.data());
    });
  }
}

TEST_CASE("sources and outputs that cannot be are refused") {
  reprise::Graph<Tensor> graph;
  const auto x = graph.input();
  const auto a = graph.add(Pass{}, x);
  const auto refused = [](auto f) { CHECK_THROWS_AS(f(), reprise::InvalidGraph); };
  refused([&] { graph.add(Pass{}, reprise::Source{.node = 5}); });
  refused([&] { graph.add(Pass{}, reprise::Source{.node = 0, .port = 1}); });
  refused([&] { graph.add(Pass{}, reprise::Source{.port = 1}); });
  refused([&] { graph.output(x); });
  graph.output(a);
  refused([&] { graph.output(a); });
}
