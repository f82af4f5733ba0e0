// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <reprise/planner/any_planner.hpp>
#include <reprise/planner/balanced.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/plan_for_slab.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/program/arena/check_layout.hpp>
#include <reprise/program/simulate.hpp>
#include <utility>
#include <vector>

#include "support/cases.hpp"
#include "support/chain_program.hpp"
#include "support/random_program.hpp"
#include "support/recorded_programs.hpp"
#include "support/seed.hpp"
#include "support/wild_program.hpp"

namespace {

using reprise::byte_count;
using reprise::Program;
using reprise::SlabPlan;

constexpr reprise::SlabOptions few_tries{.layout = {.alignment = 4, .tries = 8}};

byte_count given_bytes(const Program& program) {
  byte_count bytes = 0;
  for (reprise::value_id v = 0; v < program.values().size(); ++v) {
    if (program.is_given(v)) bytes += program.values()[v].bytes;
  }
  return bytes;
}

void check_fits(const Program& program, const SlabPlan& laid, byte_count slab) {
  CHECK(laid.layout.high_water <= slab);
  reprise::arena::check_layout(program, laid.plan.schedule, laid.layout);
  const reprise::Simulation played = simulate(program, laid.plan.schedule);
  CHECK(played.peak_bytes == laid.plan.peak_bytes);
  CHECK(played.recomputed_cost == doctest::Approx(laid.plan.recomputed_cost));
}

bool is_same(const SlabPlan& a, const SlabPlan& b) {
  return a.plan.schedule == b.plan.schedule &&
         std::ranges::equal(a.layout.blocks, b.layout.blocks, {}, &reprise::ArenaBlock::offset,
                            &reprise::ArenaBlock::offset);
}

/// How slabs of growing sizes went.
struct Counts {
  std::size_t fitted = 0;
  std::size_t refused = 0;
  std::size_t lost = 0;  ///< refused, though a smaller slab was not
};

std::optional<SlabPlan> check_slab(const Program& program, const reprise::AnyPlanner& planner,
                                   byte_count slab) {
  const auto plan = [&](byte_count bytes) {
    SlabPlan laid = plan_for_slab(program, bytes, reprise::AnyPlanner(planner), few_tries);
    check_fits(program, laid, bytes);
    return laid;
  };
  try {
    SlabPlan laid = plan(slab);
    if (slab % 2 == 0) CHECK(is_same(laid, plan(slab)));
    return laid;
  } catch (const reprise::BudgetInfeasible& refused) {
    CHECK(refused.budget_bytes() == slab);
    CHECK(refused.smallest_budget() > slab);
    CHECK(refused.lower_bound_bytes() <= refused.smallest_budget());
    static_cast<void>(plan(refused.smallest_budget()));
  }
  return std::nullopt;
}

Counts check_slabs(const Program& program, const reprise::AnyPlanner& planner) {
  const SlabPlan most =
      plan_for_slab(program, reprise::unlimited_bytes, reprise::AnyPlanner(planner), few_tries);
  check_fits(program, most, reprise::unlimited_bytes);
  Counts counts;
  for (byte_count i = 0; i <= 4; ++i) {
    const byte_count slab = most.layout.high_water * (i + 1) / 5;
    CAPTURE(slab);
    const bool is_fitted = check_slab(program, planner, slab).has_value();
    if (!is_fitted && counts.fitted > 0) ++counts.lost;
    ++(is_fitted ? counts.fitted : counts.refused);
  }
  return counts;
}

/// Notes what it is asked.
struct Asked {
  std::vector<byte_count>* budgets;

  reprise::Plan operator()(const reprise::PlanRequest& request) const {
    budgets->push_back(request.budget);
    return reprise::MinCut{}(request);
  }
};

}  // namespace

TEST_CASE("no layout is above its slab, and what is refused names a slab that does") {
  REPRISE_SEEDED(random);
  const std::vector<reprise::AnyPlanner> planners{
      reprise::AnyPlanner(reprise::MinCut{}),
      reprise::AnyPlanner(reprise::LocalSearch{{.tries = 20, .threads = 1}}),
      reprise::AnyPlanner(reprise::Balanced{{.tries = 20}})};
  Counts all;
  for (std::uint32_t seed = 0; seed < reprise_test::cases(9); ++seed) {
    CAPTURE(seed);
    const Program program = seed % 3 == 0   ? reprise_test::random_recorded_program(random, 20)
                            : seed % 3 == 1 ? reprise_test::random_program(seed)
                                            : reprise_test::wild_program(random);
    const Counts counts = check_slabs(program, planners[random() % planners.size()]);
    all.fitted += counts.fitted;
    all.refused += counts.refused;
    all.lost += counts.lost;
  }
  MESSAGE(all.fitted, " slabs fitted, ", all.refused, " did not, of which ", all.lost,
          " above one that did");
  CHECK(all.fitted > 9);
  CHECK(all.refused > 9);
  CHECK(all.lost == 0);
}

TEST_CASE("planners with one plan fit a slab of what that takes, and no smaller one") {
  const Program program = reprise_test::chain_program(20);
  const SlabPlan most = plan_for_slab(program, reprise::unlimited_bytes, reprise::StoreAll{});
  check_fits(program, plan_for_slab(program, most.layout.high_water, reprise::StoreAll{}),
             most.layout.high_water);
  CHECK_THROWS_WITH_AS(
      static_cast<void>(plan_for_slab(program, most.layout.high_water - 1, reprise::StoreAll{})),
      doctest::Contains("holds none of this planner's plans: the smallest slab that was found"),
      reprise::BudgetInfeasible);
}

TEST_CASE("what is given takes nothing of the slab") {
  std::vector<byte_count> budgets;
  const Program program({{.kind = reprise::ValueKind::constant, .bytes = 1000}, {.bytes = 64}},
                        {{.reads = {0}, .writes = {1}}}, Program::no_operation, 1, true, {1});
  const SlabPlan laid = plan_for_slab(program, 64, Asked{&budgets});
  CHECK(laid.layout.high_water == 64);
  CHECK(laid.plan.peak_bytes == 64 + given_bytes(program));
  CHECK(budgets == std::vector<byte_count>{64 + given_bytes(program)});
  CHECK_THROWS_WITH_AS(static_cast<void>(plan_for_slab(program, 63, reprise::MinCut{})),
                       doctest::Contains("a slab of 63 bytes (63 B) holds none"),
                       reprise::BudgetInfeasible);
}

TEST_CASE("slabs for programs near 2^63 bytes and of nothing are planned too") {
  constexpr byte_count large = (byte_count{1} << 61U) - 64;
  const Program program({{.bytes = large}, {.bytes = large}},
                        {{.writes = {0}}, {.reads = {0}, .writes = {1}}}, Program::no_operation, 1,
                        true, {1});
  const auto planner = [](const reprise::PlanRequest& request) -> reprise::Plan {
    if (request.budget < 2 * large) {
      throw reprise::BudgetInfeasible("", request.budget, 2 * large, 2 * large);
    }
    using reprise::Action;
    return {.schedule = {{Action::run(0), Action::run(1), Action::drop(0)}},
            .peak_bytes = 2 * large};
  };
  for (const byte_count slab : {2 * large, byte_count{1} << 63U, reprise::unlimited_bytes}) {
    check_fits(program, plan_for_slab(program, slab, planner), slab);
  }
  CHECK_THROWS_AS(static_cast<void>(plan_for_slab(program, 2 * large - 1, planner)),
                  reprise::BudgetInfeasible);
  const Program nothing({}, {}, Program::no_operation, 0, true);
  CHECK(plan_for_slab(nothing, 0, reprise::MinCut{}).layout.high_water == 0);
}

TEST_CASE("a slab of several passes is refused, and a program alone is planned by a search") {
  const Program program = reprise_test::chain_program(4);
  CHECK_THROWS_WITH_AS(
      static_cast<void>(plan_for_slab(
          reprise::PlanRequest{.program = program, .budget = 1000, .passes_in_flight = 2},
          reprise::MinCut{})),
      doctest::Contains("a slab for 2 passes in flight"), reprise::InvalidArgument);
  check_fits(program, plan_for_slab(program, 100'000), 100'000);
}
