// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always

// What a refused budget says that the planner needs: that is met, and nothing below it.
// long: REPRISE_CASES=2000

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <reprise/core/error.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/eviction/lru.hpp>
#include <reprise/planner/balanced.hpp>
#include <reprise/planner/binomial.hpp>
#include <reprise/planner/byte_grain.hpp>
#include <reprise/planner/every_nth.hpp>
#include <reprise/planner/gradient_threshold.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/online.hpp>
#include <reprise/planner/optimal_chain.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/square_root.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/program/bounds.hpp>
#include <reprise/threshold/median_threshold.hpp>
#include <string>
#include <vector>

#include "support/cases.hpp"
#include "support/chain_program.hpp"
#include "support/planner_conformance.hpp"
#include "support/random_program.hpp"
#include "support/recorded_programs.hpp"
#include "support/seed.hpp"
#include "support/wild_program.hpp"

namespace {

using reprise::byte_count;
using reprise::Program;

// Layers that each read the one before it, and from the middle on their mirror: a U-Net's.
Program mirrored(std::uint32_t layers, bool is_even) {
  using reprise::Operation;
  using reprise::OperationKind;
  using reprise::Value;
  using reprise::value_id;
  using reprise::ValueKind;
  std::vector<Value> values;
  std::vector<Operation> operations;
  const auto add = [&](Value value) {
    values.push_back(value);
    return static_cast<value_id>(values.size() - 1);
  };
  const value_id input = add({.kind = ValueKind::input});
  std::vector<value_id> outputs;
  const auto sources = [&](std::uint32_t layer) {
    std::vector<std::uint32_t> list;
    if (layer > 0) list.push_back(layer - 1);
    if (layer > layers / 2) list.push_back(layers - 1 - layer);
    return list;
  };
  for (std::uint32_t layer = 0; layer < layers; ++layer) {
    Operation op{.kind = OperationKind::forward,
                 .node = layer,
                 .layer = layer,
                 .cost = 1,
                 .repeatable = true};
    for (const std::uint32_t from : sources(layer)) op.reads.push_back(outputs[from]);
    if (op.reads.empty()) op.reads.push_back(input);
    outputs.push_back(add({.kind = ValueKind::output,
                           .node = layer,
                           .bytes = is_even ? 100 : 100 + layer * 37 % 90}));
    op.writes = {outputs.back()};
    operations.push_back(op);
  }
  std::vector<std::optional<value_id>> gradients(layers);
  const auto gradient_of = [&](std::uint32_t layer) {
    return add({.kind = ValueKind::gradient, .node = layer, .bytes = values[outputs[layer]].bytes});
  };
  gradients.back() = gradient_of(layers - 1);
  operations.push_back({.kind = OperationKind::loss,
                        .layer = layers - 1,
                        .reads = {outputs.back()},
                        .writes = {*gradients.back()}});
  for (std::uint32_t layer = layers; layer-- > 0;) {
    Operation op{.kind = OperationKind::backward,
                 .node = layer,
                 .layer = layer,
                 .reads = {*gradients[layer]},
                 .cost = 1,
                 .adds_in_place = true};
    for (const std::uint32_t from : sources(layer)) {
      op.reads.push_back(outputs[from]);
      if (gradients[from]) {
        op.accumulates.push_back(*gradients[from]);
      } else {
        gradients[from] = gradient_of(from);
        op.writes.push_back(*gradients[from]);
      }
    }
    operations.push_back(op);
  }
  return Program(std::move(values), std::move(operations), layers, layers, true);
}

template <reprise::Planner P>
std::optional<reprise::Plan> plan_with(P planner, const reprise::PlanRequest& request) {
  try {
    reprise::Plan plan = planner(request);
    reprise_test::check_plan(request, plan);
    return plan;
  } catch (const reprise::BudgetInfeasible& refused) {
    CHECK(refused.budget_bytes() == request.budget);
    CHECK(refused.smallest_budget() > request.budget);
    CHECK(refused.lower_bound_bytes() <= refused.smallest_budget());
    return std::nullopt;
  }
}

// Every budget that differs, but no more than so many.
std::vector<byte_count> budgets_below(const Program& program, byte_count smallest) {
  constexpr byte_count most = 24;
  const byte_count grain = reprise::byte_grain(program);
  const byte_count first = std::max<byte_count>(reprise::lower_bound_bytes(program), grain) / grain;
  const byte_count last = smallest / grain;
  const byte_count stride = std::max<byte_count>(1, (last - std::min(first, last)) / most);
  std::vector<byte_count> budgets{smallest - 1};
  for (byte_count i = first; i * grain < smallest; i += stride) budgets.push_back(i * grain);
  return budgets;
}

template <reprise::Planner P>
void check_refusal(const P& planner, reprise::PlanRequest request) {
  byte_count smallest = 0;
  std::string message;
  try {
    P fresh = planner;
    static_cast<void>(fresh(request));
    FAIL("a budget of no byte was accepted");
  } catch (const reprise::BudgetInfeasible& refused) {
    smallest = refused.smallest_budget();
    message = refused.what();
  }
  CAPTURE(message);
  CHECK(message.find("it needs " + std::to_string(smallest) + " bytes") != std::string::npos);
  // An online policy tries so many budgets only, and says so.
  const bool is_sampled = message.find("one between them may do") != std::string::npos;
  const auto below =
      is_sampled ? std::vector<byte_count>{smallest - 1} : budgets_below(request.program, smallest);
  for (const byte_count budget : below) {
    CAPTURE(budget);
    request.budget = budget;
    CHECK_FALSE(plan_with(planner, request));
  }
  for (const byte_count budget : {smallest, smallest + 1, smallest + smallest / 3}) {
    CAPTURE(budget);
    request.budget = budget;
    CHECK(plan_with(planner, request));
  }
}

template <class F>
void for_each_planner(F&& f) {
  const auto call = [&](std::string name, auto planner) {
    CAPTURE(name);
    f(planner);
  };
  call("StoreAll", reprise::StoreAll{});
  call("RecomputeAll", reprise::RecomputeAll{});
  call("EveryNth", reprise::EveryNth{.n = 3});
  call("SquareRoot", reprise::SquareRoot{});
  call("GradientThreshold", reprise::GradientThreshold{reprise::MedianThreshold{.alpha = 1.0}});
  call("Binomial", reprise::Binomial{});
  call("OptimalChain", reprise::OptimalChain{});
  call("Online<DtrEqClass>", reprise::Online<reprise::DtrEqClass>{});
  call("Online<Lru>", reprise::Online<reprise::Lru>{});
  call("MinCut", reprise::MinCut{});
  call("MinCut at one instant", reprise::MinCut{.looks_further = false});
  call("LocalSearch", reprise::LocalSearch{{.tries = 100, .threads = 1}});
  call("Balanced", reprise::Balanced{{.tries = 100}});
}

void check_all(const Program& program, std::size_t passes = 1) {
  for_each_planner([&](const auto& planner) {
    try {
      check_refusal(planner, {.program = program, .budget = 0, .passes_in_flight = passes});
    } catch (const reprise::NotAChain&) {
    } catch (const reprise::InvalidArgument&) {
      // A recorded program is not for planners by layers.
      CHECK_FALSE(program.has_loss());
    }
  });
}

// The same number whichever budget is refused, and that number is met.
template <reprise::Planner P>
void check_same_refusals(const P& planner, reprise::PlanRequest request) {
  const auto plan = [&](byte_count budget) -> std::optional<byte_count> {
    request.budget = budget;
    P fresh = planner;
    try {
      reprise_test::check_plan(request, fresh(request));
      return std::nullopt;
    } catch (const reprise::BudgetInfeasible& refused) {
      return refused.smallest_budget();
    }
  };
  const std::optional<byte_count> named = plan(0);
  if (!named) return;
  CAPTURE(*named);
  CHECK(plan(*named) == std::nullopt);
  for (const byte_count budget : budgets_below(request.program, *named)) {
    CAPTURE(budget);
    CHECK(plan(budget) == named);
  }
}

}  // namespace

TEST_CASE("each planner meets the budget that its refusal names, and none below it") {
  SUBCASE("of layers that skip to their mirror") {
    for (const std::uint32_t layers : {10U, 16U, 30U}) {
      CAPTURE(layers);
      check_all(mirrored(layers, true));
      check_all(mirrored(layers, false));
    }
  }
  SUBCASE("of chains, with passes in flight too") {
    for (const std::uint32_t layers : {1U, 4U, 13U}) {
      CAPTURE(layers);
      for (const std::size_t passes : {1U, 3U}) {
        CAPTURE(passes);
        check_all(reprise_test::chain_program(layers), passes);
      }
    }
  }
  SUBCASE("of random graphs") {
    REPRISE_SEEDED(random);
    for (int trial = 0; trial < 8; ++trial) {
      const auto seed = static_cast<std::uint32_t>(random());
      CAPTURE(seed);
      check_all(reprise_test::random_program(seed));
    }
  }
  SUBCASE("of recorded programs") {
    REPRISE_SEEDED(random);
    for (int trial = 0; trial < 8; ++trial) {
      CAPTURE(trial);
      check_all(reprise_test::random_recorded_program(random, 25));
    }
  }
}

TEST_CASE("a search meets what no cut does, and says who came to that and how hard it looked") {
  const Program program = mirrored(100, true);
  const reprise::LocalSearch search{{.tries = 2000, .threads = 1}};
  const reprise::PlanRequest request{.program = program, .budget = 5299};
  CHECK_THROWS_WITH_AS(
      static_cast<void>(search(request)),
      "a budget of 5299 bytes (5.17 KiB) cannot be met by search: it needs 5300 "
      "bytes (5.18 KiB), the least that min-cut and searches of 2000 tries within 1 "
      "budget came to, and any plan at least 5300 bytes (5.18 KiB): the bound forbids it",
      reprise::BudgetInfeasible);
  CHECK(plan_with(search, {.program = program, .budget = 5300}));
}

TEST_CASE("a search names the same budget whichever one it refuses, and meets that") {
  using reprise_test::WildOptions;
  REPRISE_SEEDED(random);
  for (std::size_t i = 0; i < reprise_test::cases(60); ++i) {
    CAPTURE(i);
    const WildOptions options{.forwards = 2 + random() % 16,
                              .has_loss = random() % 2 == 0,
                              .is_chain = random() % 4 == 0,
                              .only_repeatable = random() % 2 == 0,
                              .has_views = random() % 3 != 0,
                              .consumes = random() % 3 != 0,
                              .views_outlive = random() % 4 == 0};
    const Program program = reprise_test::wild_program(random, options);
    const std::size_t passes = options.has_loss && random() % 4 == 0 ? 3 : 1;
    const reprise::PlanRequest request{.program = program, .passes_in_flight = passes};
    check_same_refusals(reprise::MinCut{}, request);
    check_same_refusals(reprise::MinCut{.looks_further = false}, request);
    check_same_refusals(reprise::LocalSearch{{.tries = 60, .threads = 1}}, request);
    check_same_refusals(reprise::Balanced{{.tries = 60}}, request);
  }
}
