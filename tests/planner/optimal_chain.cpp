// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always
// long: REPRISE_CASES=20000
// planners: header-only
#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <reprise/planner/binomial.hpp>
#include <reprise/planner/every_nth.hpp>
#include <reprise/planner/optimal_chain.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/square_root.hpp>
#include <reprise/planner/store_all.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/cases.hpp"
#include "support/chain_planner_conformance.hpp"

namespace {

using reprise::LayerChain;
using reprise::OptimalChain;
using reprise::Plan;
using reprise::RunList;

/// All persistent reversals of a chain: every way to save or to split, at every link.
class AllReversals {
 public:
  explicit AllReversals(const LayerChain& chain) : chain_(chain) {}

  [[nodiscard]] const std::vector<RunList>& of(std::uint32_t first, std::uint32_t last) {
    const auto [entry, is_new] = lists_.try_emplace({first, last});
    if (!is_new) return entry->second;
    std::vector<RunList> lists;
    if (first == last) {
      lists.push_back(joined({&chain_.link(last).recompute, &chain_.link(last).backward}));
    } else {
      const RunList& forward = chain_.link(first).forward;
      for (const RunList& rest : of(first + 1, last)) {
        lists.push_back(joined({&forward, &rest, &chain_.link(first).backward}));
      }
      if (last != chain_.loss() && chain_.link(last).is_free) {
        for (const RunList& rest : of(first, last - 1)) {
          lists.push_back(joined({&chain_.link(last).backward, &rest}));
        }
      }
      RunList advance;
      for (std::uint32_t split = first + 1; split <= last; ++split) {
        advance = joined({&advance, &chain_.link(split - 1).forward});
        for (const RunList& after : of(split, last)) {
          for (const RunList& before : of(first, split - 1)) {
            lists.push_back(joined({&advance, &after, &before}));
          }
        }
      }
    }
    return lists_[{first, last}] = std::move(lists);
  }

 private:
  [[nodiscard]] static RunList joined(std::initializer_list<const RunList*> parts) {
    RunList all;
    for (const RunList* part : parts) all.insert(all.end(), part->begin(), part->end());
    return all;
  }

  const LayerChain& chain_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<RunList>> lists_;
};

/// The least cost for each peak, by playing all of them.
std::map<reprise::byte_count, double> exhaustive_frontier(const reprise::Program& program) {
  const LayerChain chain(program);
  std::map<reprise::byte_count, double> least;
  AllReversals all(chain);
  for (const RunList& runs : all.of(0, chain.loss())) {
    const auto played = reprise::simulate(program, reprise::schedule_of_runs(program, runs));
    const auto at = least.try_emplace(played.peak_bytes, played.recomputed_cost).first;
    at->second = std::min(at->second, played.recomputed_cost);
  }
  double cost = std::numeric_limits<double>::infinity();
  std::map<reprise::byte_count, double> frontier;
  for (const auto& [peak, at_peak] : least) {
    if (at_peak >= cost) continue;
    cost = at_peak;
    frontier[peak] = cost;
  }
  return frontier;
}

reprise::byte_count smallest_budget(const OptimalChain& planner, const reprise::Program& program) {
  try {
    static_cast<void>(planner({.program = program, .budget = 0}));
  } catch (const reprise::BudgetInfeasible& refused) {
    return refused.smallest_budget();
  }
  return 0;
}

}  // namespace

TEST_CASE("OptimalChain conforms, with slots for every byte and with few") {
  reprise_test::check_chain_planner(OptimalChain{});
  reprise_test::check_chain_planner(OptimalChain{.slots = 13, .threads = 2});
}

TEST_CASE("OptimalChain is as good as the best of all persistent schedules") {
  const std::size_t cases = reprise_test::cases(800);
  REPRISE_SEEDED(random);
  std::size_t points = 0;
  for (std::size_t trial = 0; trial < cases; ++trial) {
    CAPTURE(trial);
    // Few of the longest: each has 8,558 reversals, each shorter one about a fifth of those.
    const auto longest = trial % 40 == 0 ? 7U : trial % 10 == 0 ? 6U : 5U;
    const auto layers =
        static_cast<std::uint32_t>(trial % 10 == 0 ? longest : 1 + random() % longest);
    const reprise::byte_count unit = 1 + random() % 1000;
    const reprise_test::RandomChainProgram chain(random, {.layers = layers, .unit = unit});
    const auto frontier = exhaustive_frontier(chain.program());
    REQUIRE(smallest_budget({}, chain.program()) == frontier.begin()->first);
    for (auto at = frontier.begin(); at != frontier.end(); ++at) {
      ++points;
      const auto next = std::next(at);
      const reprise::byte_count most =
          next == frontier.end() ? reprise::unlimited_bytes : next->first - 1;
      for (const reprise::byte_count budget : {at->first, most}) {
        CAPTURE(budget);
        const Plan plan = OptimalChain{}({.program = chain.program(), .budget = budget});
        REQUIRE(plan.recomputed_cost == at->second);
        REQUIRE(plan.peak_bytes <= budget);
      }
    }
  }
  MESSAGE(points, " points of ", cases, " chains");
  CHECK(points > 2 * cases);
}

TEST_CASE(
    "where sizes are no multiples of a slot it is never below the best, nor above the budget") {
  REPRISE_SEEDED(random);
  for (int trial = 0; trial < 200; ++trial) {
    CAPTURE(trial);
    const reprise_test::RandomChainProgram chain(
        random, {.layers = static_cast<std::uint32_t>(1 + random() % 5),
                 .unit = 1 + random() % 3,
                 .reads_output_alone = trial % 2 == 0});
    const auto frontier = exhaustive_frontier(chain.program());
    for (const std::uint32_t slots : {1U, 3U, 10U, 30U}) {
      const OptimalChain planner{.slots = slots};
      const auto smallest = smallest_budget(planner, chain.program());
      CHECK(smallest >= frontier.begin()->first);
      for (const auto& [peak, cost] : frontier) {
        if (peak < smallest) continue;
        const Plan plan = planner({.program = chain.program(), .budget = peak});
        CHECK(plan.recomputed_cost >= cost);
        CHECK(plan.peak_bytes <= peak);
      }
    }
  }
}

TEST_CASE("OptimalChain recomputes no more than any plan by groups or by Binomial") {
  REPRISE_SEEDED(random);
  for (int trial = 0; trial < 100; ++trial) {
    CAPTURE(trial);
    const auto layers = static_cast<std::uint32_t>(1 + random() % 30);
    const reprise_test::RandomChainProgram chain(random, {.layers = layers});
    reprise::PlanRequest request{.program = chain.program()};
    const auto compare = [&](const Plan& other) {
      request.budget = other.peak_bytes;
      CHECK(OptimalChain{}(request).recomputed_cost <= other.recomputed_cost);
      request.budget = reprise::unlimited_bytes;
    };
    for (std::size_t states = 1; states <= layers; ++states) {
      compare(reprise::Binomial{.checkpoints = states}(request));
    }
    compare(reprise::RecomputeAll{}(request));
    compare(reprise::SquareRoot{}(request));
    compare(reprise::StoreAll{}(request));
    for (std::size_t n = 1; n <= layers; ++n) compare(reprise::EveryNth{n}(request));
  }
}

TEST_CASE("overrides hold at every budget") {
  REPRISE_SEEDED(random);
  for (int trial = 0; trial < 200; ++trial) {
    CAPTURE(trial);
    const auto layers = static_cast<std::uint32_t>(2 + random() % 8);
    const auto program = reprise_test::chain_program(layers, trial % 2 == 0);
    std::vector<reprise::LayerOverride> overrides(layers);
    for (auto& override : overrides) override = static_cast<reprise::LayerOverride>(random() % 3);
    reprise::PlanRequest request{.program = program, .overrides = overrides};
    const auto smallest = [&] {
      try {
        request.budget = 0;
        static_cast<void>(OptimalChain{}(request));
      } catch (const reprise::BudgetInfeasible& refused) {
        return refused.smallest_budget();
      }
      return reprise::byte_count{0};
    }();
    for (request.budget = smallest; request.budget < smallest + 60; request.budget += 4) {
      const Plan plan = OptimalChain{}(request);
      reprise_test::check_plan(request, plan);
      const auto runs = reprise::simulate(program, plan.schedule).recomputes_per_layer;
      for (std::uint32_t layer = 0; layer < layers; ++layer) {
        CAPTURE(layer);
        if (overrides[layer] == reprise::LayerOverride::must_save) CHECK(runs[layer] == 0);
        if (overrides[layer] == reprise::LayerOverride::must_recompute) CHECK(runs[layer] > 0);
      }
    }
  }
}

TEST_CASE("threads do not change a plan") {
  REPRISE_SEEDED(random);
  const reprise_test::RandomChainProgram chain(random, {.layers = 90});
  const auto all = OptimalChain{}({.program = chain.program()}).peak_bytes;
  for (const reprise::byte_count budget : {all / 4, all / 2, all - 1}) {
    const reprise::PlanRequest request{.program = chain.program(), .budget = budget};
    CHECK(OptimalChain{.threads = 1}(request).schedule ==
          OptimalChain{.threads = 3}(request).schedule);
  }
}

TEST_CASE("OptimalChain refuses no slot, no thread and a table that is too large") {
  const auto program = reprise_test::chain_program(20);
  const reprise::PlanRequest request{.program = program};
  CHECK_THROWS_AS(static_cast<void>(OptimalChain{.slots = 0}(request)), reprise::InvalidArgument);
  CHECK_THROWS_AS(static_cast<void>(OptimalChain{.threads = 0}(request)), reprise::InvalidArgument);
  CHECK_THROWS_AS(static_cast<void>(OptimalChain{.most_table_bytes = 1000}(request)),
                  reprise::InvalidArgument);
}
