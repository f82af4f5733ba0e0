// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always
// planners: header-only
#include <doctest/doctest.h>

#include <limits>
#include <reprise/planner/gradient_threshold.hpp>
#include <reprise/threshold/constant_threshold.hpp>
#include <reprise/threshold/median_threshold.hpp>

#include "support/planner_conformance.hpp"
#include "support/seed.hpp"

namespace {

using reprise::GradientThreshold;
using reprise::Plan;

constexpr double none = std::numeric_limits<double>::quiet_NaN();

// The layers of a chain that ran once only.
std::vector<std::uint32_t> kept_layers(const reprise::Program& program, const Plan& plan) {
  const auto played = reprise::simulate(program, plan.schedule);
  std::vector<std::uint32_t> kept;
  for (std::uint32_t layer = 0; layer < program.layer_count(); ++layer) {
    if (played.recomputes_per_layer[layer] == 0) kept.push_back(layer);
  }
  return kept;
}

Plan plan(const reprise::Program& program, const std::vector<double>& gradients,
          reprise::byte_count budget = reprise::unlimited_bytes) {
  GradientThreshold planner{reprise::ConstantThreshold{.tau = 2.0}};
  return planner({.program = program, .budget = budget, .gradients = gradients});
}

using Layers = std::vector<std::uint32_t>;

// A statistic a layer or none, often the same one.
std::vector<double> random_statistics(std::mt19937_64& random, std::size_t layers) {
  std::vector<double> statistics(layers);
  for (double& g : statistics) g = random() % 5 == 0 ? none : static_cast<double>(random() % 8);
  return statistics;
}

template <class Planner>
reprise::byte_count smallest_budget(Planner& planner, reprise::PlanRequest request) {
  request.budget = 0;
  try {
    static_cast<void>(planner(request));
  } catch (const reprise::BudgetInfeasible& refused) {
    return refused.smallest_budget();
  }
  return 0;
}

}  // namespace

TEST_CASE("GradientThreshold conforms") {
  reprise_test::check_planner(GradientThreshold{reprise::MedianThreshold{.alpha = 1.0}});
}

TEST_CASE("the plain rule keeps exactly the layers above the threshold") {
  const auto program = reprise_test::chain_program(5);
  const Plan made = plan(program, {3.0, 1.0, 2.0, 2.5, 0.0});
  CHECK(kept_layers(program, made) == Layers{0, 3});
  CHECK(made.dropped == 0);
}

TEST_CASE("before the first statistics every layer is kept") {
  const auto program = reprise_test::chain_program(3);
  CHECK(kept_layers(program, plan(program, {})) == Layers{0, 1, 2});
  CHECK(kept_layers(program, plan(program, {none, none, none})) == Layers{0, 1, 2});
}

TEST_CASE("a layer without a statistic takes the nearest earlier decision") {
  const auto program = reprise_test::chain_program(6);
  CHECK(kept_layers(program, plan(program, {none, 3.0, none, 1.0, none, 5.0})) ==
        Layers{0, 1, 2, 5});
}

TEST_CASE("a budget takes the lowest statistic first, and counts what it took") {
  const auto program = reprise_test::chain_program(6, false, 64);
  const std::vector<double> gradients{5.0, 3.0, 7.0, 4.0, 6.0, 8.0};
  const std::vector<std::uint32_t> by_gradient{1, 3, 0, 4, 2, 5};
  const Plan all = plan(program, gradients);
  CHECK(all.recomputed_cost == 0);
  std::size_t seen = 0;
  for (auto budget = all.peak_bytes - 1; budget >= all.lower_bound_bytes; --budget) {
    Plan made;
    try {
      made = plan(program, gradients, budget);
    } catch (const reprise::BudgetInfeasible&) {
      break;
    }
    if (made.dropped > 6) break;
    seen = std::max(seen, made.dropped);
    REQUIRE(made.dropped > 0);
    Layers expected(by_gradient.begin() + static_cast<std::ptrdiff_t>(made.dropped),
                    by_gradient.end());
    std::ranges::sort(expected);
    CHECK(kept_layers(program, made) == expected);
  }
  CHECK(seen > 1);
}

TEST_CASE("a budget too small for the lowest statistic first is met in the layers' order") {
  // The last layer is recomputed at once, so that dropping it saves nothing.
  const auto program = reprise_test::chain_program(6, false, 64);
  GradientThreshold planner{reprise::ConstantThreshold{.tau = 2.0}};
  const reprise::byte_count smallest = smallest_budget(planner, {.program = program});
  const Plan made = plan(program, {5.0, 3.0, 8.0, 4.0, 7.0, 6.0}, smallest);
  CHECK(kept_layers(program, made) == Layers{5});
  CHECK(made.dropped == 5);
  // Layers below the threshold were not to be kept in the first place.
  CHECK(plan(program, {1.0, 3.0, 8.0, 1.0, 7.0, 1.0}, smallest).dropped == 3);
}

TEST_CASE("statistics of another model are refused") {
  const auto program = reprise_test::chain_program(3);
  CHECK_THROWS_AS(static_cast<void>(plan(program, {1.0})), reprise::InvalidArgument);
}

TEST_CASE("the smallest budget named before the first statistics holds whatever they are") {
  REPRISE_SEEDED(random);
  for (int graph = 0; graph < 100; ++graph) {
    const auto graph_seed = static_cast<std::uint32_t>(random());
    CAPTURE(graph_seed);
    const auto program = reprise_test::random_program(graph_seed);
    reprise::PlanRequest request{
        .program = program,
        .passes_in_flight = 1 + random() % 3,
        .recomputed_lifetime = static_cast<reprise::RecomputedLifetime>(random() % 2)};
    GradientThreshold before{reprise::ConstantThreshold{}};
    const reprise::byte_count smallest = smallest_budget(before, request);
    REQUIRE(smallest > 0);
    for (int draw = 0; draw < 4; ++draw) {
      CAPTURE(draw);
      const auto statistics = random_statistics(random, program.layer_count());
      request.gradients = statistics;
      GradientThreshold planner{
          reprise::ConstantThreshold{.tau = static_cast<double>(random() % 9) - 0.5}};
      CHECK(smallest_budget(planner, request) <= smallest);
      double cost = std::numeric_limits<double>::infinity();
      for (reprise::byte_count budget = smallest; budget < 2 * smallest; budget += 8) {
        CAPTURE(budget);
        request.budget = budget;
        const Plan made = planner(request);
        REQUIRE(made.peak_bytes <= budget);
        REQUIRE(made.recomputed_cost <= cost);
        cost = made.recomputed_cost;
      }
    }
  }
}
