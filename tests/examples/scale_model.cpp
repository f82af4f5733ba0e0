// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// The transformer at scale as a program against the closed formulas of arXiv:2205.05198: what a
// layer keeps, byte by byte, and what it computes, FLOP by FLOP.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <reprise/planner/every_nth.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/optimal_chain.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/program/simulate.hpp>
#include <string>
#include <utility>
#include <vector>

#include "policy.hpp"
#include "transformer.hpp"
#include "transformer_program.hpp"

namespace {

using reprise::byte_count;
using scale::Kept;
using scale::paper_transformers;
using scale::Sharding;
using scale::Transformer;
using scale::transformer_program;
using scale::TransformerProgram;

constexpr std::array shardings{Sharding::none, Sharding::tensor, Sharding::sequence};

Transformer of_layers(Transformer model, std::uint64_t layers) {
  model.layers = layers;
  return model;
}

reprise::Simulation store_all(const TransformerProgram& model) {
  return simulate(model.program, reprise::StoreAll{}({.program = model.program}).schedule);
}

reprise::Simulation recompute_all(const TransformerProgram& model) {
  return simulate(model.program, reprise::RecomputeAll{}({.program = model.program}).schedule);
}

reprise::Simulation selective(const TransformerProgram& model) {
  return simulate(model.program, selective_schedule(model));
}

/// Calls f with each model of the paper under each sharding.
template <class F>
void for_each_model(F&& f) {
  for (const Transformer& model : paper_transformers) {
    for (const Sharding sharding : shardings) {
      CAPTURE(std::string(model.name));
      CAPTURE(static_cast<int>(sharding));
      f(model, sharding);
    }
  }
}

std::uint64_t ranks(const Transformer& model, Sharding sharding) {
  return sharding == Sharding::none ? 1 : model.tensor_ranks;
}

}  // namespace

TEST_CASE("one more layer keeps what the paper's formula says, to the byte") {
  for_each_model([](const Transformer& model, Sharding sharding) {
    const TransformerProgram two = transformer_program(of_layers(model, 2), sharding);
    const TransformerProgram three = transformer_program(of_layers(model, 3), sharding);
    const auto more = [&](reprise::Simulation (*play)(const TransformerProgram&)) {
      return play(three).boundary_bytes - play(two).boundary_bytes;
    };
    CHECK(more(store_all) == layer_bytes(model, sharding));
    CHECK(more(selective) == layer_bytes(model, sharding, Kept::all_but_core));
    CHECK(more(recompute_all) == layer_bytes(model, sharding, Kept::inputs));
  });
}

TEST_CASE("a whole model keeps its layers and what leaves the last one") {
  for_each_model([](const Transformer& model, Sharding sharding) {
    const byte_count output = layer_bytes(model, sharding, Kept::inputs);
    const TransformerProgram whole = transformer_program(model, sharding);
    CHECK(store_all(whole).boundary_bytes == model.layers * layer_bytes(model, sharding) + output);
    CHECK(selective(whole).boundary_bytes ==
          model.layers * layer_bytes(model, sharding, Kept::all_but_core) + output);
  });
}

TEST_CASE("the formulas are the published ones") {
  for (const Transformer& model : paper_transformers) {
    const std::uint64_t sbh = model.elements();
    const std::uint64_t t = model.tensor_ranks;
    const std::uint64_t as_h = model.heads * model.sequence / model.hidden;
    const std::uint64_t rest = model.heads * model.sequence % model.hidden;
    // 5 a s / h is no whole number for the smallest model, s b h times it is.
    const std::uint64_t scores = 5 * (sbh * as_h + sbh / model.hidden * rest);
    CHECK(layer_bytes(model, Sharding::none) == 34 * sbh + scores);
    CHECK(layer_bytes(model, Sharding::tensor) == 10 * sbh + 24 * sbh / t + scores / t);
    CHECK(layer_bytes(model, Sharding::sequence) == (34 * sbh + scores) / t);
    CHECK(layer_bytes(model, Sharding::sequence, Kept::all_but_core) == 34 * sbh / t);
    CHECK(layer_bytes(model, Sharding::tensor, Kept::inputs) == 2 * sbh);
  }
}

TEST_CASE("the models have as many parameters as their names say") {
  const std::array billions{22.0, 175.0, 530.0, 1008.0};
  for (std::size_t i = 0; i < billions.size(); ++i) {
    CHECK(std::round(static_cast<double>(paper_transformers[i].parameters()) / 1e9) ==
          doctest::Approx(billions[i]));
  }
}

TEST_CASE("a layer computes 72 b s h² (1 + s / (6 h)) FLOPs, a third of them forward") {
  for_each_model([](const Transformer& model, Sharding sharding) {
    const TransformerProgram one = transformer_program(of_layers(model, 1), sharding);
    double all = 0;
    for (const reprise::Operation& op : one.program.operations()) all += op.cost;
    const auto on_ranks = static_cast<double>(ranks(model, sharding));
    const auto s = static_cast<double>(model.sequence);
    const auto b = static_cast<double>(model.micro_batch);
    const auto h = static_cast<double>(model.hidden);
    CHECK(on_ranks * one.program.forward_cost() == static_cast<double>(layer_flops(model)));
    CHECK(on_ranks * all == 3 * static_cast<double>(layer_flops(model)));
    CHECK(on_ranks * all == doctest::Approx(72 * b * s * h * h * (1 + s / (6 * h))).epsilon(1e-12));
  });
}

TEST_CASE("selective recomputation runs each attention core again, full one more forward") {
  for_each_model([](const Transformer& model, Sharding sharding) {
    const TransformerProgram whole = transformer_program(of_layers(model, 5), sharding);
    const auto on_ranks = static_cast<double>(ranks(model, sharding));
    CHECK(on_ranks * selective(whole).recomputed_cost ==
          5 * static_cast<double>(core_flops(model)));
    // Backward begins with the last layer, so that it stays. Of the others all products run again,
    // the last one of the MLP too: without it there is no mask of the dropout that follows.
    const std::vector<std::uint32_t> reruns = recompute_all(whole).recomputes_per_layer;
    CHECK(on_ranks * recompute_all(whole).recomputed_cost ==
          4 * static_cast<double>(layer_flops(model)));
    CHECK(reruns.back() == 0);
  });
}

TEST_CASE("selective recomputation saves the published shares at the published costs") {
  const auto shares = [](const Transformer& model) {
    const auto all = static_cast<double>(layer_bytes(model, Sharding::sequence));
    const auto left =
        static_cast<double>(layer_bytes(model, Sharding::sequence, Kept::all_but_core));
    const double more =
        static_cast<double>(core_flops(model)) / static_cast<double>(layer_flops(model));
    return std::pair(std::round(100 * (1 - left / all)), std::round(1000 * more));
  };
  CHECK(shares(paper_transformers[1]) == std::pair(70.0, 27.0));  // of GPT-3
  CHECK(shares(paper_transformers[2]) == std::pair(65.0, 16.0));  // of MT-NLG
}

TEST_CASE("with seconds for costs, nothing is free") {
  const TransformerProgram model = transformer_program(
      of_layers(paper_transformers[2], 2), Sharding::sequence, scale::CostUnit::seconds);
  CHECK_FALSE(model.program.cost_is_flops());
  for (reprise::operation_id op = 0; op < model.program.operations().size(); ++op) {
    if (op != model.program.loss()) CHECK(model.program.operations()[op].cost > 0);
  }
}

TEST_CASE("the layers of the program are a chain to all planners of layers") {
  const TransformerProgram model =
      transformer_program(of_layers(paper_transformers[2], 9), Sharding::sequence);
  const byte_count all = store_all(model).peak_bytes;
  const reprise::PlanRequest request{.program = model.program, .budget = all * 6 / 10};
  const reprise::Plan every = reprise::EveryNth{.n = 4}(request);
  const reprise::Plan chain = reprise::OptimalChain{}(request);
  const reprise::Plan cut = reprise::MinCut{}(request);
  CHECK(chain.recomputed_cost <= every.recomputed_cost);
  CHECK(cut.recomputed_cost <= chain.recomputed_cost);
  CHECK(cut.recomputed_cost >= cut.lower_bound_cost);
}

TEST_CASE("no policy passes its budget or recomputes less than the proven bound") {
  const std::size_t layers = 12;
  const TransformerProgram model =
      transformer_program(of_layers(paper_transformers[2], layers), Sharding::sequence);
  const byte_count all = store_all(model).peak_bytes;
  std::size_t met = 0;
  for (const byte_count budget : {all, all * 7 / 10, all * 4 / 10}) {
    double bound = 0;
    double least = std::numeric_limits<double>::infinity();
    for (const scale::Policy& policy : scale::policies(layers, {.tries = 2000})) {
      CAPTURE(policy.name);
      CAPTURE(budget);
      const auto outcome = policy.plan(model, budget);
      if (!outcome) continue;
      ++met;
      CHECK(outcome->peak_bytes <= budget);
      bound = std::max(bound, outcome->lower_bound_cost);
      least = std::min(least, outcome->recomputed_cost);
    }
    CHECK(least >= bound);
  }
  CHECK(met > 30);
}
