// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always
#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <reprise/eviction/dtr.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/eviction/dtr_local.hpp>
#include <reprise/eviction/largest.hpp>
#include <reprise/eviction/lru.hpp>
#include <reprise/eviction/msps.hpp>
#include <reprise/planner/online.hpp>
#include <reprise/planner/run_online.hpp>
#include <string>
#include <vector>

#include "support/planner_conformance.hpp"

namespace {

/// The policy of somebody who has never heard of ours: opaque, so that it is scanned.
struct Oldest {
  [[nodiscard]] double score(const reprise::Candidate& candidate) const {
    return static_cast<double>(candidate.last_access());
  }
};

template <class Policy>
void check_on(const reprise::Program& program, std::size_t passes) {
  const reprise::Online<Policy> planner;
  reprise::PlanRequest request{.program = program, .passes_in_flight = passes};
  const reprise::Plan unlimited = planner(request);
  reprise_test::check_plan(request, unlimited);
  CHECK(unlimited.recomputed_cost == 0);
  request.budget = 0;
  try {
    static_cast<void>(planner(request));
    FAIL("a budget of no byte was accepted");
  } catch (const reprise::BudgetInfeasible& refused) {
    CHECK(refused.lower_bound_bytes() <= refused.smallest_budget());
    request.budget = refused.smallest_budget() - 1;
    CHECK_THROWS_AS(static_cast<void>(planner(request)), reprise::BudgetInfeasible);
    request.budget = refused.smallest_budget();
    CHECK(planner(request).schedule == planner(request).schedule);
  }
  const reprise::byte_count stride =
      std::max<reprise::byte_count>(1, (unlimited.peak_bytes - request.budget) / 7);
  for (; request.budget <= unlimited.peak_bytes; request.budget += stride) {
    CAPTURE(request.budget);
    try {
      const reprise::Plan plan = planner(request);
      reprise_test::check_plan(request, plan);
    } catch (const reprise::BudgetInfeasible& refused) {
      // An online policy may fail where a smaller budget worked; what it names works.
      request.budget = refused.smallest_budget();
      static_cast<void>(planner(request));
      break;
    }
  }
}

}  // namespace

TEST_CASE_TEMPLATE("an online policy's run is a schedule that the ledger accepts", Policy,
                   reprise::Dtr, reprise::DtrEqClass, reprise::DtrLocal, reprise::Msps,
                   reprise::Lru, reprise::Largest, Oldest) {
  for (const std::uint32_t passes : {1U, 2U}) {
    for (std::uint32_t layers = passes; layers < 10; layers += 2) {
      CAPTURE(layers);
      check_on<Policy>(reprise_test::chain_program(layers), passes);
    }
    for (std::uint32_t seed = passes; seed < 20; seed += 2) {
      CAPTURE(seed);
      check_on<Policy>(reprise_test::random_program(seed), passes);
    }
  }
}

TEST_CASE("an online policy heeds overrides") {
  reprise_test::check_overrides(reprise::Online<reprise::DtrEqClass>{});
}

TEST_CASE_TEMPLATE("a view that nobody reads goes, whatever keeps its memory", Policy, reprise::Dtr,
                   reprise::DtrEqClass, reprise::DtrLocal, reprise::Msps, reprise::Lru,
                   reprise::Largest, Oldest) {
  using reprise::Operation;
  using reprise::Value;
  for (const bool is_constant : {false, true}) {
    CAPTURE(is_constant);
    std::vector<Value> values{{.bytes = 100}, {.view_of = 0}};
    std::vector<Operation> operations{
        {.writes = {0}, .cost = 1, .repeatable = true},
        {.reads = {0}, .writes = {1}, .releases = {1}, .cost = 1, .repeatable = true}};
    std::vector<reprise::value_id> results{0};
    if (is_constant) {
      values[0].kind = reprise::ValueKind::constant;
      operations.erase(operations.begin());
      results.clear();
    }
    const reprise::Program program(values, operations, reprise::Program::no_operation, 1, true,
                                   results);
    const reprise::PlanRequest request{.program = program, .budget = 100};
    reprise_test::check_plan(request, reprise::Online<Policy>{}(request));
  }
}

TEST_CASE("what stays is not evicted, and what the program never lets go of goes at its end") {
  using reprise::Value;
  const std::vector<Value> values{
      {.bytes = 8, .stays = true}, {.bytes = 8}, {.bytes = 8}, {.bytes = 1}};
  const std::vector<reprise::Operation> operations{
      {.writes = {0, 1}, .cost = 1, .repeatable = true},
      {.reads = {1}, .writes = {2}, .releases = {1}, .cost = 1},  // 2 stays until it is let go of
      {.reads = {0}, .writes = {3}, .releases = {3}, .cost = 1, .repeatable = true}};
  const reprise::Program program(values, operations, reprise::Program::no_operation, 1, true);
  const reprise::PlanRequest request{.program = program, .budget = 24};
  reprise_test::check_plan(request, reprise::Online<reprise::Lru>{}(request));
}

TEST_CASE("a refusal for several passes ends, however many bytes their values have") {
  std::vector<reprise::Value> values{{.kind = reprise::ValueKind::input}};
  std::vector<reprise::Operation> operations;
  const auto chain = reprise_test::chain_program(9);
  values.assign(chain.values().begin(), chain.values().end());
  for (reprise::value_id v = 1; v < values.size(); ++v) {
    values[v].bytes = (values[v].bytes << 46U) + v;
  }
  operations.assign(chain.operations().begin(), chain.operations().end());
  const reprise::Program program(values, operations, chain.loss(), chain.layer_count(), true);
  reprise::PlanRequest request{.program = program, .budget = 1, .passes_in_flight = 3};
  try {
    static_cast<void>(reprise::Online<reprise::Dtr>{}(request));
    FAIL("a budget of one byte was accepted");
  } catch (const reprise::BudgetInfeasible& refused) {
    request.budget = refused.smallest_budget();
    reprise_test::check_plan(request, reprise::Online<reprise::Dtr>{}(request));
  }
}

TEST_CASE("a run that reruns without end thrashes, free as its operations may be") {
  const reprise::Program program = reprise_test::chain_program(30);
  const reprise::byte_count budget = 20 * 4;
  const auto run_with = [&](std::uint64_t most_reruns) {
    return reprise::run_online(program, reprise::Dtr{},
                               {.budget = budget, .most_reruns = most_reruns});
  };
  const reprise::OnlineRun whole = run_with(0);
  REQUIRE(whole.result == reprise::OnlineRun::Result::pass);
  const auto reruns = static_cast<std::uint64_t>(whole.recomputed_cost);  // each costs 1
  REQUIRE(reruns > 1);
  CHECK(run_with(reruns).result == reprise::OnlineRun::Result::pass);
  const reprise::OnlineRun cut = run_with(reruns - 1);
  CHECK(cut.result == reprise::OnlineRun::Result::thrash);
  CHECK(cut.schedule.actions.size() < whole.schedule.actions.size());
}

TEST_CASE("flags that are not one for each value are refused, with both numbers") {
  const reprise::Program program = reprise_test::chain_program(3);
  const std::size_t values = program.values().size();
  for (const std::size_t count : {std::size_t{1}, values - 1, values + 1, 5 * values}) {
    CAPTURE(count);
    const std::vector<std::uint8_t> flags(count, 1);
    const std::string lengths = " flags of " + std::to_string(count) + " values for a program of " +
                                std::to_string(values) + " values";
    CHECK_THROWS_WITH_AS(
        static_cast<void>(reprise::run_online(program, reprise::Lru{}, {.must_save = flags})),
        ("must_save" + lengths).c_str(), reprise::InvalidArgument);
    CHECK_THROWS_WITH_AS(
        static_cast<void>(reprise::run_online(program, reprise::Lru{}, {.must_recompute = flags})),
        ("must_recompute" + lengths).c_str(), reprise::InvalidArgument);
  }
}
