// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <reprise/planner/staged/parametric_cut.hpp>
#include <utility>
#include <vector>

#include "support/seed.hpp"

namespace {

using reprise::staged::ParametricCut;

/// A choice among nodes 2, 3, ...
struct Problem {
  struct Keep {
    std::uint32_t node;
    std::uint32_t other;
    double bytes;
  };
  std::uint32_t nodes = 2;
  std::vector<double> costs{};  ///< of node 2, 3, ...
  std::vector<std::uint32_t> required{};
  std::vector<std::pair<std::uint32_t, std::uint32_t>> implied{};
  std::vector<Keep> keeps{};
  std::vector<std::pair<std::uint32_t, double>> free_keeps{};

  [[nodiscard]] ParametricCut cut() const {
    ParametricCut cut(nodes, std::accumulate(costs.begin(), costs.end(), 0.0));
    for (std::uint32_t i = 0; i < costs.size(); ++i) cut.charge(2 + i, costs[i]);
    for (const std::uint32_t node : required) cut.imply(ParametricCut::source, node);
    for (const auto& [node, other] : implied) cut.imply(node, other);
    for (const auto& [node, other, bytes] : keeps) cut.keep(node, other, bytes);
    for (const auto& [node, bytes] : free_keeps) cut.keep_free(node, bytes);
    return cut;
  }
};

Problem random_problem(std::mt19937_64& random, std::uint32_t most_nodes) {
  Problem problem;
  problem.nodes = 3 + static_cast<std::uint32_t>(random() % (most_nodes - 2));
  const std::uint32_t count = problem.nodes - 2;
  const auto pick = [&] { return 2 + static_cast<std::uint32_t>(random() % count); };
  for (std::uint32_t i = 0; i < count; ++i) {
    problem.costs.push_back(static_cast<double>(1 + random() % 9));
    if (random() % 3 == 0) problem.required.push_back(2 + i);
  }
  for (std::uint32_t i = 0; i < count; ++i) problem.implied.emplace_back(pick(), pick());
  for (std::uint32_t i = 0; i < 2 * count; ++i) {
    const std::uint32_t other = random() % 8 == 0 ? ParametricCut::sink : pick();
    problem.keeps.push_back({pick(), other, static_cast<double>(1 + random() % 20)});
  }
  problem.free_keeps.emplace_back(pick(), 5.0);
  return problem;
}

/// The least that any choice of a small problem costs.
double least(const Problem& problem, double price) {
  double best = std::numeric_limits<double>::infinity();
  for (std::uint32_t set = 0; set < (1U << (problem.nodes - 2)); ++set) {
    const auto has = [&](std::uint32_t node) {
      return node >= 2 && ((set >> (node - 2)) & 1U) != 0;
    };
    bool is_allowed = true;
    for (const std::uint32_t node : problem.required) is_allowed = is_allowed && has(node);
    for (const auto& [node, other] : problem.implied) {
      is_allowed = is_allowed && (!has(node) || has(other));
    }
    if (!is_allowed) continue;
    double cost = 0;
    for (std::uint32_t i = 0; i < problem.costs.size(); ++i) {
      cost += has(2 + i) ? problem.costs[i] : 0;
    }
    for (const auto& [node, other, bytes] : problem.keeps) {
      cost += has(node) && !has(other) ? price * bytes : 0;
    }
    best = std::min(best, cost);
  }
  return best;
}

void check_same(const Problem& problem, const ParametricCut& one, const ParametricCut& other) {
  for (std::uint32_t node = 0; node < problem.nodes; ++node) {
    CAPTURE(node);
    CHECK(one.is_chosen(node) == other.is_chosen(node));
  }
  CHECK(one.cost() == doctest::Approx(other.cost()));
  CHECK(one.kept_bytes() == doctest::Approx(other.kept_bytes()));
  CHECK(one.value() == doctest::Approx(other.value()));
}

}  // namespace

TEST_CASE("no choice costs less than the cut's, and its value says what that is") {
  REPRISE_SEEDED(random);
  for (int i = 0; i < 500; ++i) {
    CAPTURE(i);
    const Problem problem = random_problem(random, 9);
    ParametricCut cut = problem.cut();
    for (const double price : {0.01, 0.05, 0.1, 0.2}) {
      CAPTURE(price);
      cut.solve(price);
      CHECK(cut.value() == doctest::Approx(least(problem, price)));
      CHECK(cut.value() <= least(problem, price) * (1 + 1e-12));
    }
  }
}

TEST_CASE("what is settled changes no choice in the range that is left") {
  REPRISE_SEEDED(random);
  for (int i = 0; i < 500; ++i) {
    CAPTURE(i);
    const Problem problem = random_problem(random, 60);
    // Halves a range of prices with everything open, and with what its ends agree on settled.
    double low = 0.001;
    double high = 4;
    ParametricCut open = problem.cut();
    open.solve(low);
    ParametricCut settled = open;
    ParametricCut top = settled;
    top.solve(high);
    settled.settle_below();
    check_same(problem, open, settled);
    for (int step = 0; step < 12; ++step) {
      CAPTURE(step);
      const double price = (low + high) / 2;
      ParametricCut middle = open;
      middle.solve(price);
      ParametricCut middle_settled = settled;
      middle_settled.solve(price);
      check_same(problem, middle, middle_settled);
      if (random() % 2 == 0) {
        high = price;
        settled.settle_above(middle_settled);
        check_same(problem, open, settled);
      } else {
        low = price;
        open = middle;
        settled = middle_settled;
        settled.settle_below();
        check_same(problem, open, settled);
      }
    }
    CHECK(settled.open_count() <= open.open_count());
  }
}

TEST_CASE("between two choices that agree nothing is open") {
  Problem problem{.nodes = 4, .costs = {1, 1}, .required = {2}, .keeps = {{2, 3, 10}}};
  ParametricCut below = problem.cut();
  below.solve(0.01);
  ParametricCut above = below;
  above.solve(0.02);
  below.settle_below();
  CHECK(below.open_count() == 1);
  ParametricCut again = below;
  again.solve(0.02);
  below.settle_above(again);
  CHECK(below.open_count() == 0);
  CHECK(below.kept_bytes() == 10);
  CHECK(below.cost() == 1);
  below.solve(0.015);
  CHECK(below.value() == doctest::Approx(1.15));
}

TEST_CASE("at a price so high that a byte is worth more than all costs nothing is settled") {
  const Problem problem{
      .nodes = 6, .costs = {0, 3, 0, 5}, .required = {2, 4}, .keeps = {{2, 3, 10}, {4, 5, 10}}};
  ParametricCut open = problem.cut();
  open.solve(1e6);
  ParametricCut settled = open;
  settled.settle_below();
  CHECK(settled.open_count() == 2);
  check_same(problem, open, settled);
}

TEST_CASE("some pairs may keep nothing, or at a higher price") {
  const Problem problem{
      .nodes = 6, .costs = {0, 3, 0, 5}, .required = {2, 4}, .keeps = {{2, 3, 10}, {4, 5, 10}}};
  ParametricCut cut = problem.cut();
  const std::vector<std::uint32_t> second{1};
  ParametricCut dearer = cut;
  dearer.solve(0.1, second, 1.0);
  CHECK(dearer.cost() == 5);
  CHECK(dearer.kept_bytes() == 10);
  cut.solve_without(second);
  CHECK(cut.is_chosen(5));
  CHECK_FALSE(cut.is_chosen(3));
}
