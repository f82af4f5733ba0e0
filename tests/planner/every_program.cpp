// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always

// What every planner promises of every valid program, the odd ones too.
// long: REPRISE_CASES=1000

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <reprise/eviction/dtr.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/eviction/dtr_local.hpp>
#include <reprise/eviction/largest.hpp>
#include <reprise/eviction/lru.hpp>
#include <reprise/eviction/msps.hpp>
#include <reprise/planner/balanced.hpp>
#include <reprise/planner/binomial.hpp>
#include <reprise/planner/every_nth.hpp>
#include <reprise/planner/frontier.hpp>
#include <reprise/planner/gradient_threshold.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/online.hpp>
#include <reprise/planner/optimal_chain.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/square_root.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/program/bounds.hpp>
#include <reprise/program/explain.hpp>
#include <reprise/program/layout.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <reprise/program/simulate.hpp>
#include <reprise/threshold/median_threshold.hpp>
#include <vector>

#include "support/cases.hpp"
#include "support/planner_conformance.hpp"
#include "support/seed.hpp"
#include "support/wild_forms.hpp"
#include "support/wild_program.hpp"

namespace {

using reprise::byte_count;
using reprise::LayerOverride;
using reprise::Program;
using reprise_test::WildOptions;

WildOptions random_options(std::mt19937_64& random, bool has_loss, bool is_chain = false) {
  return {.forwards = 2 + random() % 16,
          .has_loss = has_loss,
          .is_chain = is_chain,
          .only_repeatable = random() % 2 == 0,
          .has_views = random() % 3 != 0,
          .consumes = random() % 3 != 0,
          .views_outlive = random() % 3 == 0};
}

// From a byte less than any plan needs to more than the program itself does.
std::vector<byte_count> budgets_of(const Program& program) {
  const byte_count least = reprise::lower_bound_bytes(program);
  const byte_count all = reprise::MinCut{}({.program = program}).peak_bytes;
  std::vector<byte_count> budgets{least == 0 ? 0 : least - 1};
  for (byte_count i = 0; i <= 4; ++i) budgets.push_back(least + (all - least) * i / 4);
  budgets.push_back(reprise::unlimited_bytes);
  return budgets;
}

void check_layout(const Program& program, const reprise::Schedule& schedule) {
  const reprise::ArenaLayout laid =
      reprise::layout(program, schedule, {.alignment = 1, .tries = 2});
  byte_count constants = 0;
  for (const reprise::Value& value : program.values()) {
    if (value.kind == reprise::ValueKind::constant) constants += value.bytes;
  }
  CHECK(laid.live_bytes >= reprise::simulate(program, schedule).peak_bytes - constants);
  CHECK(laid.high_water >= laid.live_bytes);
}

// True if a plan was found.
template <reprise::Planner P>
bool check_on(const P& planner, const reprise::PlanRequest& request) {
  const auto fresh_plan = [&](byte_count budget) {
    reprise::PlanRequest other = request;
    other.budget = budget;
    P fresh = planner;
    reprise::Plan plan = fresh(other);
    reprise_test::check_plan(other, plan);
    CHECK(plan.lower_bound_cost <= plan.recomputed_cost);
    return plan;
  };
  try {
    const reprise::Plan plan = fresh_plan(request.budget);
    check_layout(request.program, plan.schedule);
    CHECK_FALSE(reprise::explain(request.program, plan.schedule).empty());
    return true;
  } catch (const reprise::BudgetInfeasible& refused) {
    CHECK(request.budget != reprise::unlimited_bytes);
    CHECK(refused.lower_bound_bytes() <= refused.smallest_budget());
    static_cast<void>(fresh_plan(refused.smallest_budget()));
  } catch (const reprise::NotAChain&) {
  }
  return false;
}

// The number of plans.
template <class F>
std::size_t check_programs(bool has_loss, std::size_t count, F&& check) {
  REPRISE_SEEDED(random);
  std::size_t plans = 0;
  for (std::size_t i = 0; i < reprise_test::cases(count); ++i) {
    CAPTURE(i);
    const WildOptions options = random_options(random, has_loss, has_loss && i % 2 == 0);
    const Program program = i % 3 == 0 ? reprise_test::wild_forms(random, options)
                                       : reprise_test::wild_program(random, options);
    plans += check(program, random);
  }
  return plans;
}

template <reprise::Planner... Ps>
std::size_t check_all(const reprise::PlanRequest& request, const Ps&... planners) {
  std::size_t plans = 0;
  for (const byte_count budget : budgets_of(request.program)) {
    CAPTURE(budget);
    reprise::PlanRequest other = request;
    other.budget = budget;
    plans += (std::size_t{0} + ... + (check_on(planners, other) ? 1U : 0U));
  }
  return plans;
}

// Of cost 1, and may run again.
reprise::Operation once(reprise::Operation operation) {
  operation.cost = 1;
  operation.repeatable = true;
  return operation;
}

void check_by_operations(const Program& program) {
  CHECK(check_all({.program = program}, reprise::MinCut{},
                  reprise::LocalSearch{{.tries = 60, .threads = 1}},
                  reprise::Balanced{{.tries = 60}}, reprise::Online<reprise::DtrEqClass>{},
                  reprise::Online<reprise::Lru>{}) > 0);
}

}  // namespace

TEST_CASE("a view that nobody reads is let go of before what it is a view of") {
  enum class Base { result, constant, dropped };
  for (const Base base : {Base::result, Base::constant, Base::dropped}) {
    for (const bool is_read : {false, true}) {
      CAPTURE(static_cast<int>(base));
      CAPTURE(is_read);
      std::vector<reprise::Value> values{{.bytes = 100}, {.view_of = 0}};
      std::vector<reprise::Operation> operations;
      if (base == Base::constant) values[0].kind = reprise::ValueKind::constant;
      if (base != Base::constant) operations.push_back(once({.writes = {0}}));
      operations.push_back(once({.reads = {0}, .writes = {1}}));
      if (is_read) {
        values.push_back({.bytes = 10});
        operations.push_back(once({.reads = {1}, .writes = {2}, .releases = {1, 2}}));
      } else {
        operations.back().releases = {1};
      }
      if (base == Base::dropped) operations.back().releases.push_back(0);
      std::vector<reprise::value_id> results;
      if (base == Base::result) results = {0};
      const Program program(values, operations, Program::no_operation, 1, true, results);
      check_by_operations(program);
    }
  }
}

TEST_CASE("what stays may be made by an operation that runs again for something else") {
  const std::vector<reprise::Value> values{{.bytes = 1000}, {.bytes = 4, .stays = true},
                                           {.bytes = 1000}, {.bytes = 1000},
                                           {.bytes = 4},    {.bytes = 4}};
  std::vector<reprise::Operation> operations{
      once({.writes = {0, 1}}), once({.reads = {0}, .writes = {2}}),
      once({.reads = {2}, .writes = {3}}),
      once({.reads = {3}, .writes = {4}, .transient_bytes = 2000}),
      once({.reads = {4, 2, 0}, .writes = {5}})};
  operations[3].repeatable = operations[4].repeatable = false;
  check_by_operations(Program(values, operations, Program::no_operation, 1, true, {1, 5}));
}

TEST_CASE("planners by operations plan every valid program, within its budget") {
  const auto check = [](const Program& program, std::mt19937_64&) {
    return check_all({.program = program}, reprise::MinCut{},
                     reprise::LocalSearch{{.tries = 60, .threads = 1}},
                     reprise::Balanced{{.tries = 60}});
  };
  CHECK(check_programs(false, 60, check) > reprise_test::cases(60));
  CHECK(check_programs(true, 60, check) > reprise_test::cases(60));
}

TEST_CASE_TEMPLATE("online policies plan every valid program, within its budget", Policy,
                   reprise::Dtr, reprise::DtrEqClass, reprise::DtrLocal, reprise::Msps,
                   reprise::Lru, reprise::Largest) {
  const auto check = [](const Program& program, std::mt19937_64&) {
    return check_all({.program = program}, reprise::Online<Policy>{});
  };
  CHECK(check_programs(false, 60, check) > reprise_test::cases(60));
  CHECK(check_programs(true, 60, check) > reprise_test::cases(60));
}

TEST_CASE("planners by layers plan every valid program with a loss operation, or refuse it") {
  const auto check = [](const Program& program, std::mt19937_64&) {
    const auto gradient = reprise::GradientThreshold{reprise::MedianThreshold{.alpha = 1.0}};
    return check_all({.program = program}, reprise::StoreAll{}, reprise::RecomputeAll{},
                     reprise::EveryNth{.n = 2}, reprise::SquareRoot{}, gradient,
                     reprise::Binomial{}, reprise::OptimalChain{.slots = 40});
  };
  CHECK(check_programs(true, 60, check) > reprise_test::cases(60));
}

TEST_CASE("every set may be kept of every valid program") {
  const auto check = [](const Program& program, std::mt19937_64& random) {
    for (std::uint64_t i = 0; i < 8; ++i) {
      reprise::SavedSet set(program.values().size());
      for (auto& flag : set) flag = static_cast<std::uint8_t>(i < 2 ? i : random() % 2);
      const auto recompute = random() % 2 == 0 ? reprise::RecomputedLifetime::until_last_read
                                               : reprise::RecomputedLifetime::one_backward;
      const reprise::Schedule schedule = reprise::schedule_from_saved(program, set, recompute);
      CHECK(reprise::simulate(program, schedule).peak_bytes >= reprise::lower_bound_bytes(program));
      check_layout(program, schedule);
    }
    return std::size_t{1};
  };
  CHECK(check_programs(true, 400, check) == reprise_test::cases(400));
}

TEST_CASE("so do they with overrides and several passes, and on a frontier") {
  const auto check = [](const Program& program, std::mt19937_64& random) {
    std::vector<LayerOverride> overrides(program.layer_count());
    for (LayerOverride& one : overrides) one = static_cast<LayerOverride>(random() % 3);
    // A layer that must be recomputed with an operation that cannot run again is refused.
    for (const reprise::Operation& op : program.operations().first(program.loss())) {
      LayerOverride& one = overrides[op.layer];
      if (!op.repeatable && one == LayerOverride::must_recompute) one = LayerOverride::none;
    }
    const reprise::LocalSearch search{{.tries = 60, .threads = 1}};
    const std::size_t passes = random() % 2 == 0 ? 1 : 3;
    const std::size_t plans =
        check_all({.program = program, .overrides = overrides, .passes_in_flight = passes},
                  reprise::MinCut{}, search, reprise::RecomputeAll{}, reprise::Binomial{},
                  reprise::OptimalChain{.slots = 40}, reprise::Online<reprise::Dtr>{});
    const std::vector<byte_count> budgets = budgets_of(program);
    auto fresh = search;
    double cost = std::numeric_limits<double>::infinity();
    for (const auto& plan : reprise::frontier(fresh, {.program = program}, budgets)) {
      if (!plan) continue;
      CHECK(plan->recomputed_cost <= cost);
      cost = plan->recomputed_cost;
    }
    return plans;
  };
  CHECK(check_programs(true, 60, check) > reprise_test::cases(60));
}
