// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always

// Plans of the planners by stages on real layers: they rerun in the middle of forward, and may run
// a forward for the first time in backward.

#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <reprise/planner/balanced.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/store_all.hpp>

#include "support/random_graph.hpp"
#include "support/random_step.hpp"

using reprise_test::RandomGraph;
using reprise_test::run_step_with;
using reprise_test::StepResult;

TEST_CASE("gradients are those of keeping everything, at every budget that is met") {
  int below = 0;
  for (std::uint32_t seed = 0; seed < 150; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    RandomGraph random_graph(random);
    const StepResult expected = run_step_with(random_graph, reprise::StoreAll{}, {.seed = seed});
    const auto smallest_of = [&](auto planner) {
      try {
        static_cast<void>(run_step_with(random_graph, planner, {.budget = 1, .seed = seed}));
      } catch (const reprise::BudgetInfeasible& refused) {
        return refused.smallest_budget();
      }
      FAIL("a budget of one byte was accepted");
      return std::uint64_t{0};
    };
    const auto check = [&](auto planner) {
      const std::uint64_t smallest = smallest_of(planner);
      for (const std::uint64_t budget : {smallest, smallest + smallest / 4}) {
        CHECK(run_step_with(random_graph, planner, {.budget = budget, .seed = seed}) == expected);
      }
      try {
        const StepResult result = run_step_with(random_graph, planner,
                                                {.budget = smallest - smallest / 10, .seed = seed});
        CHECK(result == expected);
        ++below;
      } catch (const reprise::BudgetInfeasible&) {
        // A search may meet less than it names, and need not.
      }
    };
    check(reprise::MinCut{});
    check(reprise::LocalSearch{{.tries = 1000, .threads = 1}});
    check(reprise::Balanced{{.tries = 500}});
  }
  MESSAGE(below, " budgets below the smallest that was named were met too");
}
