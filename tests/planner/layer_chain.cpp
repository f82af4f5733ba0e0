// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <reprise/planner/chain/chain_reversal.hpp>
#include <reprise/planner/chain/layer_chain.hpp>
#include <string>
#include <vector>

#include "support/chain_program.hpp"
#include "support/random_chain.hpp"
#include "support/random_program.hpp"
#include "support/seed.hpp"

namespace {

using reprise::ChainChoice;
using reprise::ChainSegment;
using reprise::LayerChain;

// Draws how each segment is reversed, and works out what that needs by the rules of `LayerChain`.
class RandomReversal {
 public:
  RandomReversal(const LayerChain& chain, std::mt19937_64& random)
      : chain_(chain), choice_(chain.links().size() * chain.links().size()), random_(random) {}

  reprise::byte_count draw(std::uint32_t first, std::uint32_t last) {
    if (first == last) return chain_.need_to_end(last);
    std::uint32_t& choice = choice_[first * chain_.links().size() + last];
    if (chain_.link(last).is_free && random_() % 2 == 0) {
      choice = last + 1;
      return std::max(chain_.need_to_pass(first, last), draw(first, last - 1));
    }
    auto split = static_cast<std::uint32_t>(first + random_() % (last - first + 1));
    if (split <= chain_.first_bound(first)) split = first;
    choice = split;
    if (split == first) {
      return std::max(chain_.need_to_save(first, last),
                      chain_.link(first).saved_bytes + draw(first + 1, last));
    }
    const reprise::byte_count after = chain_.input_bytes(first) + draw(split, last);
    return std::max({chain_.need_to_advance(first, split, last), after, draw(first, split - 1)});
  }

  ChainChoice operator()(const ChainSegment& segment) const {
    return {.split = choice_[segment.first * chain_.links().size() + segment.last]};
  }

 private:
  const LayerChain& chain_;
  std::vector<std::uint32_t> choice_;
  std::mt19937_64& random_;
};

std::string message_of(const reprise::Program& program) {
  try {
    static_cast<void>(LayerChain(program));
  } catch (const reprise::NotAChain& refused) {
    return refused.what();
  }
  return "it is a chain";
}

}  // namespace

TEST_CASE("a chain's links are its layers and the loss") {
  const auto program = reprise_test::chain_program(3);
  const LayerChain chain(program);
  REQUIRE(chain.loss() == 3);
  for (std::uint32_t i = 0; i < 3; ++i) {
    CAPTURE(i);
    const auto& link = chain.link(i);
    CHECK(link.layers == std::vector<std::uint32_t>{i});
    CHECK(link.forward == reprise::RunList{i});
    CHECK(link.forward_cost == 1);
    CHECK(link.backward_cost == 2);
    CHECK(link.output_bytes == 8);
    CHECK(link.saved_bytes == 4);
    CHECK(link.gradient_bytes == 8);
    CHECK(link.passing_peak == (i == 0 ? 12 : 20));
    CHECK(link.backward_peak == 4 + 8 + 8);
  }
  CHECK(chain.link(3).layers.empty());
  CHECK(chain.link(3).forward.empty());
  CHECK(chain.link(3).backward == reprise::RunList{3});
}

TEST_CASE("what a reversal of whole layers needs is the ledger's peak") {
  REPRISE_SEEDED(random);
  for (int trial = 0; trial < 3000; ++trial) {
    CAPTURE(trial);
    const bool is_exact = trial % 3 != 0;
    const reprise_test::RandomChainProgram chain_program(
        random,
        {.layers = static_cast<std::uint32_t>(1 + random() % 12), .reads_output_alone = !is_exact});
    const reprise::Program& program = chain_program.program();
    const LayerChain chain(program);
    RandomReversal reversal(chain, random);
    const reprise::byte_count predicted = reversal.draw(0, chain.loss());
    const auto runs = reprise::reverse_chain(chain, 0, reversal);
    const auto played = reprise::simulate(program, reprise::schedule_of_runs(program, runs));
    if (is_exact) {
      CHECK(played.peak_bytes == predicted);
    } else {
      CHECK(played.peak_bytes <= predicted);
    }
  }
}

TEST_CASE("layers of several nodes never need more than is predicted") {
  REPRISE_SEEDED(random);
  std::size_t equal = 0;
  constexpr std::size_t trials = 1000;
  for (std::size_t trial = 0; trial < trials; ++trial) {
    CAPTURE(trial);
    reprise_test::RandomLayers layers(random, 1 + random() % 8);
    const reprise::Program program = layers.program();
    const LayerChain chain(program);
    RandomReversal reversal(chain, random);
    const reprise::byte_count predicted = reversal.draw(0, chain.loss());
    const auto runs = reprise::reverse_chain(chain, 0, reversal);
    const auto played = reprise::simulate(program, reprise::schedule_of_runs(program, runs));
    CHECK(played.peak_bytes <= predicted);
    equal += played.peak_bytes == predicted ? 1 : 0;
  }
  MESSAGE(equal, " of ", trials, " predictions are the ledger's peak");
  CHECK(equal > trials / 2);
}

TEST_CASE("a layer that consumes its input or hands on a view of it joins the one before it") {
  for (const bool is_view : {false, true}) {
    CAPTURE(is_view);
    reprise_test::World world;
    auto parameter = std::make_shared<reprise_test::Parameter>();
    parameter->value.assign(4, 0.5);
    parameter->gradient.assign(4, 0.0);
    const reprise_test::Dense dense{.world = &world, .weight = parameter, .transient = 0};
    reprise::Graph<reprise_test::Tensor> graph;
    reprise::Source at = graph.add(dense, graph.add(dense, graph.input()));
    at = is_view ? graph.add(reprise_test::View{&world}, at)
                 : graph.add(reprise_test::ScaleInPlace{&world}, at);
    graph.output(graph.add(dense, at));
    reprise_test::Tensor input(world.memory, 4);
    reprise_test::Tensor* const inputs[] = {&input};
    const auto program =
        reprise::lower(
            graph, reprise::make_profile(graph, std::span<reprise_test::Tensor* const>(inputs), {}))
            .program;
    const LayerChain chain(program);
    REQUIRE(chain.loss() == 3);
    CHECK(chain.link(0).layers == std::vector<std::uint32_t>{0});
    CHECK(chain.link(1).layers == std::vector<std::uint32_t>{1, 2});
    CHECK(chain.link(2).layers == std::vector<std::uint32_t>{3});
  }
}

TEST_CASE("a value that a later layer than the next one reads is named") {
  reprise_test::World world;
  reprise::Graph<reprise_test::Tensor> graph;
  const reprise::Source first = graph.add(reprise_test::Bell{&world}, graph.input());
  const reprise::Source second = graph.add(reprise_test::Bell{&world}, first);
  graph.output(graph.add(reprise_test::Mix{&world}, second, first));
  reprise_test::Tensor input(world.memory, 4);
  reprise_test::Tensor* const inputs[] = {&input};
  const auto program =
      reprise::lower(
          graph, reprise::make_profile(graph, std::span<reprise_test::Tensor* const>(inputs), {}))
          .program;
  CHECK(message_of(program) ==
        "the program is no chain of layers: output 0 of node 0 of layer 0 is read by forward of "
        "node 2 of layer 2");
}

TEST_CASE("an output of the graph that is not the last layer's is named") {
  reprise_test::World world;
  reprise::Graph<reprise_test::Tensor> graph;
  const reprise::Source first = graph.add(reprise_test::Bell{&world}, graph.input());
  graph.output(graph.add(reprise_test::Bell{&world}, first));
  graph.output(first);
  reprise_test::Tensor input(world.memory, 4);
  reprise_test::Tensor* const inputs[] = {&input};
  const auto program =
      reprise::lower(
          graph, reprise::make_profile(graph, std::span<reprise_test::Tensor* const>(inputs), {}))
          .program;
  CHECK(message_of(program) ==
        "the program is no chain of layers: output 0 of node 0 of layer 0 is read by the loss");
}

TEST_CASE("a layer that comes twice is named, and so is a program without a loss") {
  const auto made = [](std::uint32_t second_layer, bool has_loss) {
    std::vector<reprise::Value> values{{.kind = reprise::ValueKind::input}};
    std::vector<reprise::Operation> operations;
    for (std::uint32_t n = 0; n < 3; ++n) {
      values.push_back({.node = n, .bytes = 8});
      operations.push_back({.node = n,
                            .layer = n == 1 ? second_layer : 0,
                            .reads = {n},
                            .writes = {n + 1},
                            .repeatable = true});
    }
    if (has_loss) operations.push_back({.kind = reprise::OperationKind::loss, .reads = {3}});
    return reprise::Program(std::move(values), std::move(operations),
                            has_loss ? 3 : reprise::Program::no_operation, 2, true);
  };
  CHECK(message_of(made(0, true)) == "it is a chain");
  CHECK(message_of(made(1, true)) ==
        "the program is no chain of layers: forward of node 2 of layer 0 comes after layer 1, "
        "which came after it");
  CHECK(message_of(made(0, false)) ==
        "a program of 3 operations without a loss operation is no chain of layers");
}

TEST_CASE("a loss that takes over what it reads, or makes a view of it, ends no chain") {
  const auto made = [](bool consumes, bool is_view) {
    const std::vector<reprise::Value> values{
        {.bytes = 1}, {.bytes = 1}, {.kind = reprise::ValueKind::gradient, .bytes = 1}};
    std::vector<reprise::Operation> operations{
        {.writes = {0}, .cost = 1, .repeatable = true},
        {.node = 1, .reads = {0}, .writes = {1}, .cost = 1, .repeatable = true},
        {.kind = reprise::OperationKind::loss, .reads = {1}, .writes = {2}},
        {.kind = reprise::OperationKind::backward, .reads = {0, 2}, .cost = 1}};
    auto changed = values;
    if (consumes) operations[2].consumes = {1};
    if (is_view) changed[2].view_of = 1;
    return reprise::Program(changed, operations, 2, 1, true);
  };
  CHECK(message_of(made(false, false)) == "it is a chain");
  CHECK(message_of(made(true, false)) ==
        "the program is no chain of layers: its loss takes over output 0 of the graph");
  CHECK(message_of(made(false, true)) ==
        "the program is no chain of layers: gradient of graph input 0, which backward makes, is a "
        "view of output 0 of the graph, which forward makes");
}

TEST_CASE("random graphs are chains or are refused, and a chain's reversal runs") {
  std::size_t chains = 0;
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    const reprise::Program program = reprise_test::random_program(seed);
    try {
      const LayerChain chain(program);
      ++chains;
      std::mt19937_64 random(seed);
      RandomReversal reversal(chain, random);
      const reprise::byte_count predicted = reversal.draw(0, chain.loss());
      const auto runs = reprise::reverse_chain(chain, 0, reversal);
      CHECK(reprise::simulate(program, reprise::schedule_of_runs(program, runs)).peak_bytes <=
            predicted);
    } catch (const reprise::NotAChain&) {
    }
  }
  CHECK(chains > 20);
  CHECK(chains < 280);
}
