// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Planners that search on several threads, and several planners side by side. The preset `threads`
// runs this under ThreadSanitizer.

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/planner/balanced.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/optimal_chain.hpp>
#include <reprise/program/bounds.hpp>
#include <reprise/program/simulate.hpp>
#include <thread>
#include <vector>

#include "support/chain_program.hpp"
#include "support/recorded_programs.hpp"
#include "support/seed.hpp"

namespace {

constexpr unsigned thread_counts[] = {2, 3, 8, 16};

// The smallest that keeping everything needs is far above what any plan does.
reprise::byte_count between(const reprise::Program& program, reprise::byte_count tenths) {
  const reprise::byte_count least = reprise::lower_bound_bytes(program);
  const reprise::byte_count all = reprise::MinCut{}({.program = program}).peak_bytes;
  return least + (all - least) * tenths / 10;
}

template <reprise::Planner P>
std::optional<reprise::Plan> plan_with(P planner, const reprise::PlanRequest& request) {
  try {
    reprise::Plan plan = planner(request);
    CHECK(reprise::simulate(request.program, plan.schedule).peak_bytes <= request.budget);
    return plan;
  } catch (const reprise::BudgetInfeasible&) {
    return std::nullopt;
  }
}

void check_same(const std::optional<reprise::Plan>& alone,
                const std::optional<reprise::Plan>& together) {
  REQUIRE(alone.has_value() == together.has_value());
  if (!alone) return;
  CHECK(alone->schedule == together->schedule);
  CHECK(alone->lower_bound_cost == together->lower_bound_cost);
}

}  // namespace

TEST_CASE("plans by tries, and what they prove, are the same on any number of threads") {
  REPRISE_SEEDED(random);
  for (int trial = 0; trial < 6; ++trial) {
    CAPTURE(trial);
    const reprise::Program program = reprise_test::random_recorded_program(random, 80);
    for (const reprise::byte_count tenths : {0U, 3U, 7U}) {
      CAPTURE(tenths);
      const reprise::PlanRequest request{.program = program, .budget = between(program, tenths)};
      const auto search_on = [&](unsigned threads) {
        return plan_with(reprise::LocalSearch{{.tries = 800, .threads = threads}}, request);
      };
      const auto balance_on = [&](unsigned threads) {
        return plan_with(reprise::Balanced{{.tries = 400, .threads = threads}}, request);
      };
      const auto searched = search_on(1);
      const auto balanced = balance_on(1);
      for (const unsigned threads : thread_counts) {
        CAPTURE(threads);
        check_same(searched, search_on(threads));
        check_same(balanced, balance_on(threads));
      }
    }
  }
}

TEST_CASE("searches by time run side by side, and prove the same on any number of threads") {
  REPRISE_SEEDED(random);
  for (int trial = 0; trial < 3; ++trial) {
    CAPTURE(trial);
    // Small, so that there is time for all proofs, on a machine with more to do too.
    const reprise::Program program = reprise_test::random_recorded_program(random, 30);
    for (const reprise::byte_count tenths : {2U, 6U}) {
      CAPTURE(tenths);
      const reprise::PlanRequest request{.program = program, .budget = between(program, tenths)};
      std::optional<double> bound;
      for (const unsigned threads : thread_counts) {
        CAPTURE(threads);
        const auto plan =
            plan_with(reprise::LocalSearch{{.seconds = 0.4, .threads = threads}}, request);
        static_cast<void>(
            plan_with(reprise::Balanced{{.first_seconds = 0.1, .threads = threads}}, request));
        if (!plan) continue;
        if (bound) CHECK(plan->lower_bound_cost == doctest::Approx(*bound));
        bound = plan->lower_bound_cost;
      }
    }
  }
}

TEST_CASE("one planner of each thread plans the same program at the same time") {
  const reprise::Program program = reprise_test::chain_program(40);
  const reprise::PlanRequest request{.program = program, .budget = between(program, 4)};
  const reprise::Plan expected = reprise::LocalSearch{{.tries = 500}}(request);
  std::vector<reprise::Schedule> schedules(4);
  std::vector<std::thread> threads;
  for (reprise::Schedule& schedule : schedules) {
    threads.emplace_back(
        [&] { schedule = reprise::LocalSearch{{.tries = 500, .threads = 2}}(request).schedule; });
  }
  for (std::thread& thread : threads) thread.join();
  for (const reprise::Schedule& schedule : schedules) CHECK(schedule == expected.schedule);
}

TEST_CASE("a table for a chain is the same on any number of threads") {
  const reprise::Program program = reprise_test::chain_program(30);
  const reprise::PlanRequest request{.program = program, .budget = between(program, 4)};
  const reprise::Plan expected = reprise::OptimalChain{.slots = 60}(request);
  for (const std::size_t threads : thread_counts) {
    CAPTURE(threads);
    const reprise::OptimalChain planner{.slots = 60, .threads = threads};
    CHECK(planner(request).schedule == expected.schedule);
  }
}
