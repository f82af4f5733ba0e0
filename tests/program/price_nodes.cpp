// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// What calls cost under each cost model, and how a roofline is fitted to what was measured.

#include "reprise/program/price_nodes.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <random>
#include <reprise/core/chain.hpp>
#include <reprise/core/error.hpp>
#include <reprise/program/cost/cost_model.hpp>
#include <reprise/program/lowering.hpp>
#include <reprise/program/profile.hpp>
#include <string>
#include <vector>

#include "support/seed.hpp"

namespace {

using Tensor = std::vector<float>;

struct Copy {
  using tensor_type = Tensor;
  using saved_type = Tensor;
  Tensor forward(const Tensor& x, Tensor& /*saved*/, reprise::PassContext& /*pass*/) { return x; }
  Tensor backward(Tensor& /*saved*/, const Tensor& dy, reprise::PassContext& /*pass*/) {
    return dy;
  }
};

std::vector<Copy>& nodes() {
  static std::vector<Copy> three(3);
  return three;
}

reprise::NodeProfile node_with(reprise::NodeCosts costs, double forward_seconds = 0) {
  return {.output_bytes = {8},
          .gradient_bytes = {8},
          .saved_bytes = 4,
          .costs = std::move(costs),
          .forward_seconds = forward_seconds};
}

reprise::Profile profile_of(std::vector<reprise::NodeProfile> all) {
  return {.input_bytes = {16}, .nodes = std::move(all)};
}

std::vector<double> forwards(const reprise::NodePrices& prices) {
  std::vector<double> all;
  for (const reprise::CallCosts& costs : prices.nodes) all.push_back(costs.forward);
  return all;
}

}  // namespace

TEST_CASE("declared FLOPs do not switch time off, and are the cost where no time is known") {
  const auto graph = reprise::chain(nodes());
  reprise::Profile profile =
      profile_of({node_with({.forward_flops = 5.0}, 0.5), node_with({.forward_flops = 6.0}, 0.25),
                  node_with({.forward_flops = 7.0}, 0.125)});
  const reprise::NodePrices seconds = price_nodes(graph, profile, reprise::MeasuredTime{});
  CHECK_FALSE(seconds.are_flops);
  CHECK(forwards(seconds) == std::vector<double>{0.5, 0.25, 0.125});
  const reprise::NodePrices flops = price_nodes(graph, profile, reprise::Flops{});
  CHECK(flops.are_flops);
  CHECK(forwards(flops) == std::vector<double>{5, 6, 7});
  CHECK(flops.nodes[1].backward == 12);
  for (reprise::NodeProfile& node : profile.nodes) node.forward_seconds = 0;
  CHECK(price_nodes(graph, profile, reprise::MeasuredTime{}).are_flops);
}

TEST_CASE("declared seconds go before measured ones") {
  const auto graph = reprise::chain(nodes());
  reprise::Profile profile =
      profile_of({node_with({.forward_seconds = 2.0, .backward_seconds = 3.0}, 0.5),
                  node_with({.forward_seconds = 4.0}, 0.25), node_with({}, 0.125)});
  profile.nodes[2].recompute_seconds = 0.75;
  profile.nodes[2].backward_seconds = 0.625;
  const reprise::NodePrices prices = price_nodes(graph, profile, reprise::MeasuredTime{});
  CHECK(forwards(prices) == std::vector<double>{2, 4, 0.125});
  CHECK(prices.nodes[0].backward == 3);
  CHECK(prices.nodes[1].backward == 8);
  CHECK(prices.nodes[1].recompute == 4);
  CHECK(prices.nodes[2].recompute == 0.75);
  CHECK(prices.nodes[2].backward == 0.625);
  CHECK_THROWS_WITH_AS(static_cast<void>(price_nodes(graph, profile, reprise::DeclaredTime{})),
                       "node 2 of 3 declares no seconds, which the cost model asks of every node",
                       reprise::InvalidArgument);
  CHECK_THROWS_WITH_AS(static_cast<void>(price_nodes(graph, profile, reprise::Flops{})),
                       "node 0 of 3 declares no FLOPs, which the cost model asks of every node",
                       reprise::InvalidArgument);
}

TEST_CASE(
    "a program's forwards cost what recomputing them costs, and it knows what keeping costs") {
  const auto graph = reprise::chain(nodes());
  reprise::Profile profile = profile_of({node_with({}, 1), node_with({}, 2), node_with({}, 4)});
  profile.nodes[1].recompute_seconds = 3;
  profile.nodes[1].backward_seconds = 5;
  const reprise::LoweredGraph lowered = reprise::lower(graph, profile);
  CHECK_FALSE(lowered.program.cost_is_flops());
  CHECK(lowered.program.operations()[1].cost == 3);
  CHECK(lowered.program.operations()[5].cost == 5);
  CHECK(lowered.store_all_cost == 1 + 2 + 4 + 2 + 5 + 8);
}

TEST_CASE("a roofline takes the longer of arithmetic and memory") {
  const auto graph = reprise::chain(nodes());
  const reprise::Profile profile = profile_of(
      {node_with({.forward_flops = 1000.0}), node_with({.forward_flops = 1.0}), node_with({})});
  const reprise::Roofline roofline{.flops_per_second = 100, .bytes_per_second = 2};
  const reprise::NodePrices prices = price_nodes(graph, profile, roofline);
  CHECK_FALSE(prices.are_flops);
  CHECK(prices.nodes[0].forward == 14);  // 16 bytes read, 8 and 4 made
  CHECK(prices.nodes[1].forward == 10);
  CHECK(prices.nodes[2].backward == 20);
  const reprise::Roofline slow{.flops_per_second = 10, .bytes_per_second = 2};
  CHECK(price_nodes(graph, profile, slow).nodes[0].forward == 100);
  CHECK_THROWS_AS(static_cast<void>(price_nodes(graph, profile, reprise::Roofline{})),
                  reprise::InvalidArgument);
}

TEST_CASE("a roofline that made the times is found again from them, with noise too") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(static_cast<unsigned>(seed));
    std::uniform_real_distribution<double> exponent(0, 4);
    std::uniform_real_distribution<double> noise(0.9, 1.1);
    const reprise::Roofline truth{.flops_per_second = 1e9 * std::pow(10, exponent(random) / 2),
                                  .bytes_per_second = 1e9 * std::pow(10, exponent(random) / 4)};
    std::vector<reprise::roofline::Measured> calls;
    for (int i = 0; i < 200; ++i) {
      const double bytes = 1e4 * std::pow(10, exponent(random) / 2);
      const double flops = bytes * std::pow(10, exponent(random) - 1);
      calls.push_back(
          {.flops = flops, .bytes = bytes, .seconds = truth.seconds(flops, bytes) * noise(random)});
    }
    const reprise::Roofline found = reprise::calibrate(calls);
    CHECK(found.flops_per_second == doctest::Approx(truth.flops_per_second).epsilon(0.1));
    CHECK(found.bytes_per_second == doctest::Approx(truth.bytes_per_second).epsilon(0.1));
  }
}

TEST_CASE("nothing measured gives rates all the same") {
  CHECK(reprise::calibrate(std::vector<reprise::roofline::Measured>{}).is_calibrated());
  const std::vector<reprise::roofline::Measured> idle{{.flops = 1, .bytes = 1, .seconds = 0}};
  CHECK(reprise::calibrate(idle).is_calibrated());
}
