// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <functional>
#include <reprise/program/lowering.hpp>
#include <string>
#include <vector>

namespace {

using reprise::NodeTraits;
using reprise::Source;

struct Shape {
  using tensor_type = std::vector<float>;
  using saved_type = std::vector<float>;
  using Tensors = reprise::Arguments<tensor_type>;

  std::vector<NodeTraits> nodes;
  std::vector<std::vector<Source>> sources;
  std::vector<Source> ends;

  [[nodiscard]] std::size_t size() const { return nodes.size(); }
  [[nodiscard]] std::size_t input_count() const { return 1; }
  [[nodiscard]] std::span<const Source> inputs(std::size_t n) const { return sources[n]; }
  [[nodiscard]] std::span<const Source> outputs() const { return ends; }
  [[nodiscard]] NodeTraits traits(std::size_t n) const { return nodes[n]; }
  void forward(std::size_t, Tensors, std::span<tensor_type>, saved_type&, reprise::PassContext&) {}
  void backward(std::size_t, Tensors, Tensors, saved_type&, Tensors, reprise::PassContext&,
                std::span<tensor_type* const>) {}
};

// Three nodes in a row; node 1 consumes the output of node 0.
Shape consuming() {
  return {.nodes = {{.layer = 0}, {.layer = 1, .consumes = {.input_index = 0}}, {.layer = 2}},
          .sources = {{Source{}}, {{.node = 0}}, {{.node = 1}}},
          .ends = {{.node = 2}}};
}

reprise::Profile profile() {
  const reprise::NodeProfile node{.output_bytes = {8},
                                  .gradient_bytes = {8},
                                  .saved_bytes = 4,
                                  .costs = {.forward_flops = 3.0}};
  return {.input_bytes = {8}, .nodes = {node, node, node}};
}

}  // namespace

TEST_CASE("a chain's program is its forwards, the loss and its backwards in reverse") {
  const auto lowered = reprise::lower(consuming(), profile());
  const auto& program = lowered.program;
  REQUIRE(program.operations().size() == 7);
  CHECK(program.loss() == 3);
  CHECK(program.layer_count() == 3);
  CHECK(program.forward_cost() == 9);
  CHECK(program.operations()[1].consumes == std::vector{lowered.outputs[0][0]});
  CHECK(program.operations()[4].node == 2);
  CHECK(program.operations()[4].cost == 6);
  CHECK(program.values()[lowered.input_gradients[0]].stays);
  const auto without = reprise::lower(consuming(), profile(), false);
  CHECK(without.input_gradients[0] == reprise::LoweredGraph::no_value);
  CHECK(without.program.operations().back().transient_bytes == 8);
}

TEST_CASE("a node must own what it consumes") {
  const auto refused = [](const std::function<void(Shape&)>& spoil, const char* message) {
    Shape shape = consuming();
    spoil(shape);
    CHECK_THROWS_WITH_AS(static_cast<void>(reprise::lower(shape, profile())), message,
                         reprise::InvalidGraph);
  };
  refused([](Shape& s) { s.nodes[1].consumes.input_index = 1; },
          "node 1 consumes an input that it does not have");
  refused([](Shape& s) { s.sources[1][0] = Source{}; },
          "node 1 consumes a graph input, which is the engine's");
  refused([](Shape& s) { s.nodes[0].view_of = 0; }, "node 1 consumes a view");
  refused([](Shape& s) { s.nodes[0].backward_reads = reprise::Reads::output; },
          "node 1 consumes the output of node 0, which reads it in backward");
  refused([](Shape& s) { s.nodes[1].backward_reads = reprise::Reads::input; },
          "node 1 reads in backward what it consumes");
  refused([](Shape& s) { s.ends.push_back({.node = 0}); },
          "node 1 consumes an output of the graph");
  refused([](Shape& s) { s.sources[2].push_back({.node = 0}); },
          "node 1 consumes what node 2 reads too");
  refused([](Shape& s) { s.nodes[1].view_of = 0; }, "node 1 consumes a view's source");
}

TEST_CASE("a graph that breaks a rule, or a profile of another graph, is refused") {
  Shape shape = consuming();
  shape.ends.clear();
  CHECK_THROWS_AS(static_cast<void>(reprise::lower(shape, profile())), reprise::InvalidGraph);
  shape.ends = {Source{}};
  CHECK_THROWS_AS(static_cast<void>(reprise::lower(shape, profile())), reprise::InvalidGraph);
  shape = consuming();
  shape.sources[0] = {{.node = 2}};
  CHECK_THROWS_AS(static_cast<void>(reprise::lower(shape, profile())), reprise::InvalidGraph);
  CHECK_THROWS_AS(static_cast<void>(reprise::lower(consuming(), reprise::Profile{})),
                  reprise::InvalidArgument);
}

TEST_CASE("a graph is refused whatever it names that is not there, in any order") {
  const auto refused = [](const std::function<void(Shape&)>& spoil, const char* message) {
    Shape shape = consuming();
    spoil(shape);
    CHECK_THROWS_WITH_AS(static_cast<void>(reprise::lower(shape, profile())),
                         doctest::Contains(message), reprise::InvalidGraph);
  };
  // Node 1 asks what views there are of what it consumes.
  refused([](Shape& s) { s.nodes[2].view_of = 1'000'000; },
          "node 2 is a view of an input that it does not have");
  refused([](Shape& s) { s.nodes[1].consumes.input_index = -7; },
          "node 1 consumes an input that it does not have");
  refused([](Shape& s) { s.sources[2] = {{.node = 1, .port = 1}}; },
          "node 2 reads port 1 of node 1");
  refused([](Shape& s) { s.ends = {{.node = 2, .port = 9}}; }, "node 3 reads port 9 of node 2");
  refused(
      [](Shape& s) {
        s.ends = {{.node = 2}, {.node = 2}};
      },
      "node 2 has port 0 twice among the graph's outputs");
  refused([](Shape& s) { s.nodes[2].layer = 4'000'000'000U; }, "4000000001 layers of");
}

TEST_CASE("a profile whose bytes do not sum up is refused") {
  constexpr reprise::byte_count huge = reprise::byte_count{1} << 63U;
  const auto refused = [](const std::function<void(reprise::Profile&)>& spoil,
                          const char* message) {
    reprise::Profile wrong = profile();
    spoil(wrong);
    CHECK_THROWS_WITH_AS(static_cast<void>(reprise::lower(consuming(), wrong, false)),
                         doctest::Contains(message), reprise::InvalidGraph);
  };
  refused([](reprise::Profile& p) { p.nodes[1].output_bytes = {huge}; },
          "forward of node 1 makes more than");
  refused([](reprise::Profile& p) { p.nodes[1].gradient_bytes = {~reprise::byte_count{0}}; },
          "backward of node 2 makes more than");
  refused([](reprise::Profile& p) { p.nodes[2].costs.forward_transient_bytes = huge; },
          "forward of node 2 makes more than");
  refused(
      [](reprise::Profile& p) {
        p.nodes[0].costs.backward_transient_bytes = huge;
        p.input_bytes = {huge};
      },
      "node 0 has in backward a transient of 9223372036854775808 and 9223372036854775808 bytes");
}
