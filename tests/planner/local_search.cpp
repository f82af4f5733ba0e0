// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always
// long: REPRISE_CASES=1
// planners: header-only
#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <ctime>
#include <limits>
#include <optional>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/search_watch.hpp>
#include <reprise/planner/staged/searcher.hpp>
#include <reprise/planner/staged/staged_plan.hpp>
#include <reprise/planner/staged/staged_program.hpp>
#include <reprise/planner/staged/staged_request.hpp>
#include <reprise/program/bounds.hpp>
#include <utility>
#include <vector>

#include "support/cases.hpp"
#include "support/chain_program.hpp"
#include "support/counted_clock.hpp"
#include "support/recorded_programs.hpp"
#include "support/search_conformance.hpp"
#include "support/seed.hpp"

using reprise::LocalSearch;

namespace {

using reprise_test::CountedClock;

// Rows of operations that read all of the row before; then from the last row to the first what
// reads all of it. Rows of one operation read all rows before them.
reprise::Program dense_program(std::uint32_t rows, std::uint32_t width) {
  std::vector<reprise::Value> values{{.kind = reprise::ValueKind::input}};
  std::vector<reprise::Operation> operations;
  const auto add = [&](std::vector<reprise::value_id> reads) {
    const auto number = static_cast<std::uint32_t>(operations.size());
    values.push_back({.node = number, .bytes = 100 + number * 37 % 90});
    operations.push_back({.node = number,
                          .reads = std::move(reads),
                          .writes = {number + 1},
                          .cost = 1.0 + number % 7,
                          .repeatable = true});
  };
  const auto before = [&](std::uint32_t row) {
    std::vector<reprise::value_id> list;
    const std::uint32_t first = width == 1 ? 0 : row - 1;
    for (std::uint32_t i = first * width; i < row * width; ++i) list.push_back(i + 1);
    return list;
  };
  for (std::uint32_t i = 0; i < rows * width; ++i) {
    add(i < width ? std::vector<reprise::value_id>{0} : before(i / width));
  }
  for (std::uint32_t row = rows; row > 0; --row) {
    std::vector<reprise::value_id> reads = before(row);
    if (row < rows) reads.push_back(static_cast<reprise::value_id>(operations.size()));
    add(std::move(reads));
  }
  const auto last = static_cast<reprise::value_id>(operations.size());
  return {
      std::move(values), std::move(operations), reprise::Program::no_operation, 1, true, {last}};
}

}  // namespace

TEST_CASE("LocalSearch conforms") {
  reprise_test::check_search(LocalSearch{{.tries = 2000, .threads = 1}});
}

TEST_CASE("plans of equal seed and number of tries do not depend on threads") {
  REPRISE_SEEDED(random);
  for (int trial = 0; trial < 20; ++trial) {
    CAPTURE(trial);
    const reprise::Program program = reprise_test::random_recorded_program(random, 120);
    const reprise::byte_count least = reprise::lower_bound_bytes(program);
    const reprise::byte_count all = reprise::MinCut{}({.program = program}).peak_bytes;
    for (const unsigned share : {1U, 2U, 3U}) {
      const reprise::PlanRequest request{.program = program,
                                         .budget = least + (all - least) * share / 4};
      const auto plan_on = [&](unsigned threads) {
        return reprise_test::plan_fresh(LocalSearch{{.tries = 1000, .threads = threads, .seed = 3}},
                                        request);
      };
      const std::optional<reprise::Plan> alone = plan_on(1);
      const std::optional<reprise::Plan> together = plan_on(share == 3 ? 8 : share + 1);
      REQUIRE(together.has_value() == alone.has_value());
      if (!alone) continue;
      CHECK(together->schedule == alone->schedule);
      CHECK(together->lower_bound_cost == alone->lower_bound_cost);
    }
  }
}

TEST_CASE("LocalSearch is close to exhaustive search, and never below it or its bound") {
  REPRISE_SEEDED(random);
  CHECK(reprise_test::median_over_optimum(LocalSearch{{.tries = 4000, .threads = 1}}, random, 40) <=
        1.02);
}

TEST_CASE("a search that its time ends gives what it found, and soon looks at the clock no more") {
  for (const reprise::Program& program :
       {reprise_test::chain_program(300), dense_program(60, 8), dense_program(2, 300)}) {
    const reprise::byte_count least = reprise::lower_bound_bytes(program);
    const reprise::byte_count all = reprise::MinCut{}({.program = program}).peak_bytes;
    for (const unsigned share : {0U, 2U, 3U}) {
      const reprise::PlanRequest request{.program = program,
                                         .budget = least + (all - least) * share / 4};
      CAPTURE(request.budget);
      for (const unsigned threads : {1U, 3U}) {
        CAPTURE(threads);
        for (const int looks : {0, 3, 10, 30, 100, 300}) {
          CAPTURE(looks);
          const CountedClock clock;
          reprise::staged::StagedRequest staged(request);
          try {
            const reprise::SearchEffort effort{.seconds = looks * 1e-3, .threads = threads};
            const reprise::Plan plan =
                reprise::staged::Searcher("search", staged, effort, clock, clock.now()).plan().plan;
            reprise_test::check_plan(request, plan);
            CHECK(plan.lower_bound_cost <= plan.recomputed_cost);
          } catch (const reprise::BudgetInfeasible& refused) {
            CHECK(refused.smallest_budget() > request.budget);
          }
          // Each part of it looks a few times when it is too late.
          CHECK(clock.looks() <= looks + 40 * static_cast<int>(threads));
        }
      }
    }
  }
}

// All that is not looked at by a clock, before a search begins and after it ended, is of this kind.
TEST_CASE("a plan without reruns is built in time linear in the values, however many read them") {
  constexpr std::size_t of_each = 64;  // work for an operation and its value
  for (const reprise::Program& program : {dense_program(4, 500), dense_program(800, 1)}) {
    const reprise::staged::StagedProgram staged(program);
    const CountedClock clock;
    const reprise::staged::SearchWatch watch(clock, clock.now() + std::chrono::hours(1));
    const int before = clock.looks();
    const reprise::staged::StagedPlan plan(staged, {.budget = 1e6}, {}, watch);
    const std::size_t work = of_each * program.operations().size();
    CHECK(clock.looks() - before <=
          static_cast<int>(1 + work / reprise::staged::SearchWatch::period));
    CHECK(plan.placements().empty());
  }
}

// In processor time, which other work on the machine does not change much; several times the limit
// is allowed all the same.
TEST_CASE("a search keeps its time on programs that are long, wide and dense") {
  if (reprise_test::cases(0) == 0) return;
  for (const reprise::Program& program :
       {reprise_test::chain_program(50'000), dense_program(1000, 1), dense_program(4, 1000)}) {
    const reprise::byte_count least = reprise::lower_bound_bytes(program);
    const reprise::byte_count all = reprise::MinCut{}({.program = program}).peak_bytes;
    for (const unsigned share : {1U, 2U, 3U}) {
      const reprise::PlanRequest request{.program = program,
                                         .budget = least + (all - least) * share / 4};
      const std::clock_t begin = std::clock();
      static_cast<void>(
          reprise_test::plan_fresh(LocalSearch{{.seconds = 0.2, .threads = 1}}, request));
      const double taken = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
      MESSAGE(program.operations().size(), " operations: ", taken, " s of processor time");
      CHECK(taken < 1.0);
    }
  }
}

TEST_CASE("a search refuses what is no time") {
  const reprise::Program program = reprise_test::chain_program(4);
  for (const double seconds :
       {-1.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    CAPTURE(seconds);
    CHECK_THROWS_AS(static_cast<void>(LocalSearch{{.seconds = seconds}}({.program = program})),
                    reprise::InvalidArgument);
  }
}

TEST_CASE("a search starts no more threads than it says") {
  const reprise::Program program = reprise_test::chain_program(4);
  const unsigned most = std::numeric_limits<unsigned>::max();
  CHECK_NOTHROW(
      static_cast<void>(LocalSearch{{.seconds = 0, .threads = most}}({.program = program})));
}
