// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always

// What every planner promises, planner by planner; a new one is a header and a line here. What is
// one's own is in its own file.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <reprise/eviction/dtr.hpp>
#include <reprise/eviction/lru.hpp>
#include <reprise/planner/balanced.hpp>
#include <reprise/planner/binomial.hpp>
#include <reprise/planner/candidate_search.hpp>
#include <reprise/planner/every_nth.hpp>
#include <reprise/planner/frontier.hpp>
#include <reprise/planner/gradient_threshold.hpp>
#include <reprise/planner/layer_values.hpp>
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

#include "support/exhaustive_plan.hpp"
#include "support/ledger_check.hpp"
#include "support/planner_conformance.hpp"
#include "support/random_chain.hpp"
#include "support/random_graph.hpp"
#include "support/random_program.hpp"
#include "support/random_step.hpp"
#include "support/recorded_programs.hpp"
#include "support/seed.hpp"

namespace {

using reprise::byte_count;

/// Outside of the library: keeps everything, or what full recomputation keeps.
struct AllOrNothing {
  reprise::Plan operator()(const reprise::PlanRequest& request) const {
    const reprise::LayerValues layers(request.program);
    reprise::CandidateSearch search(request, layers, "all-or-nothing");
    search.consider(reprise::SavedSet(request.program.values().size(), 1));
    search.consider(keep_every_nth(request.program, layers, 1));
    return search.take();
  }
};

// What some planners do not promise.
struct Exceptions {
  bool is_for_chains = false;  // others are NotAChain
  bool may_jump = false;       // a single plan may cost more with more memory
  bool may_find_less = false;  // a budget below the one that it names may be met, too
};

template <class F>
void for_each_planner(F&& f) {
  constexpr Exceptions chain{.is_for_chains = true};
  constexpr Exceptions search{.may_jump = true, .may_find_less = true};
  const auto call = [&](std::string name, auto planner, Exceptions exceptions = {}) {
    CAPTURE(name);
    f(planner, exceptions);
  };
  call("StoreAll", reprise::StoreAll{});
  call("RecomputeAll", reprise::RecomputeAll{});
  call("EveryNth", reprise::EveryNth{.n = 3});
  call("SquareRoot", reprise::SquareRoot{});
  call("GradientThreshold", reprise::GradientThreshold{reprise::MedianThreshold{.alpha = 1.0}});
  call("Binomial", reprise::Binomial{}, chain);
  call("OptimalChain", reprise::OptimalChain{}, chain);
  call("Online<Dtr>", reprise::Online<reprise::Dtr>{}, search);
  call("Online<Lru>", reprise::Online<reprise::Lru>{}, search);
  call("MinCut", reprise::MinCut{});
  call("LocalSearch", reprise::LocalSearch{{.tries = 500, .threads = 1}}, search);
  call("Balanced", reprise::Balanced{{.tries = 500}}, search);
  call("a planner of one's own", AllOrNothing{});
}

// The smallest budget that a call needs, by the refusal of one byte.
template <class F>
byte_count smallest_budget(F&& plan_with) {
  try {
    plan_with(1);
  } catch (const reprise::BudgetInfeasible& refused) {
    CHECK(refused.budget_bytes() == 1);
    CHECK(refused.lower_bound_bytes() <= refused.smallest_budget());
    return refused.smallest_budget();
  }
  FAIL("a budget of one byte was accepted");
  return 0;
}

template <reprise::Planner P>
void check_training(auto& layers, const P& planner, Exceptions exceptions, std::uint64_t seed) {
  using reprise_test::run_step_with;
  auto& memory = layers.world->memory;
  const auto expected = run_step_with(layers, reprise::StoreAll{}, {.seed = seed});
  const byte_count all = smallest_budget([&](byte_count budget) {
    static_cast<void>(run_step_with(layers, reprise::StoreAll{}, {.budget = budget}));
  });
  const byte_count smallest = smallest_budget([&](byte_count budget) {
    static_cast<void>(run_step_with(layers, planner, {.budget = budget, .seed = seed}));
  });
  if (!exceptions.may_find_less) {
    CHECK_THROWS_AS(
        static_cast<void>(run_step_with(layers, planner, {.budget = smallest - 1, .seed = seed})),
        reprise::BudgetInfeasible);
  }
  const byte_count most = std::max(all, smallest);
  const byte_count input_bytes = layers.width * sizeof(double);
  for (byte_count part = 0; part < 4; ++part) {
    const byte_count budget = smallest + (most - smallest) * part / 3;
    CAPTURE(budget);
    reprise_test::LedgerCheck check{memory, input_bytes, layers.graph.size()};
    if constexpr (requires { layers.is(reprise_test::Family::none); }) {
      check.counts_missing_gradients = layers.is(reprise_test::Family::none);
    }
    byte_count peak = 0;
    reprise_test::StepOptions options{.budget = budget, .seed = seed, .verify_replay = part == 0};
    options.observer = [&](const reprise::ActionEvent& event) {
      check(event);
      peak = std::max<byte_count>(peak, memory.peak);
    };
    CHECK(run_step_with(layers, planner, options) == expected);
    CHECK_MESSAGE(check.fault.empty(), check.fault);
    CHECK(memory.live == 0);
    CHECK(peak <= budget + input_bytes);
  }
}

// Budgets from what any plan needs to what keeping everything does.
std::vector<byte_count> budgets_of(const reprise::Program& program, byte_count count) {
  const byte_count least = reprise::lower_bound_bytes(program);
  const byte_count all = reprise::StoreAll{}({.program = program}).peak_bytes;
  std::vector<byte_count> budgets;
  for (byte_count i = 0; i <= count; ++i) budgets.push_back(least + (all - least) * i / count);
  return budgets;
}

}  // namespace

TEST_CASE("every planner trains real layers to store-all's bits, and its budget is never passed") {
  REPRISE_SEEDED(random);
  for_each_planner([&](const auto& planner, Exceptions exceptions) {
    for (int trial = 0; trial < 40; ++trial) {
      CAPTURE(trial);
      const std::uint64_t seed = random();
      if (exceptions.is_for_chains) {
        reprise_test::RandomLayers layers(random, 1 + random() % 8);
        check_training(layers, planner, exceptions, seed);
      } else {
        std::mt19937 narrow(static_cast<std::uint32_t>(seed));
        reprise_test::RandomGraph layers(narrow);
        check_training(layers, planner, exceptions, seed);
      }
    }
  });
}

TEST_CASE("more memory never costs more: on every frontier, and by single plans where it is said") {
  REPRISE_SEEDED(random);
  for_each_planner([&](const auto& planner, Exceptions exceptions) {
    for (int trial = 0; trial < 20; ++trial) {
      CAPTURE(trial);
      const reprise::Program program =
          exceptions.is_for_chains
              ? reprise_test::RandomChainProgram(random, {.layers = 8}).program()
              : reprise_test::random_program(static_cast<std::uint32_t>(random()));
      const std::vector<byte_count> budgets = budgets_of(program, 8);
      auto fresh = planner;
      const auto plans = reprise::frontier(fresh, {.program = program}, budgets);
      double cost = std::numeric_limits<double>::infinity();
      double single = cost;
      for (std::size_t i = 0; i < budgets.size(); ++i) {
        CAPTURE(budgets[i]);
        const reprise::PlanRequest request{.program = program, .budget = budgets[i]};
        const double before = cost;
        if (!plans[i]) CHECK(before == std::numeric_limits<double>::infinity());
        if (!plans[i]) continue;
        reprise_test::check_plan(request, *plans[i]);
        cost = plans[i]->recomputed_cost;
        CHECK(cost <= before);
        CHECK(plans[i]->lower_bound_cost <= cost);
        if (exceptions.may_jump) continue;
        auto alone = planner;
        const double now = alone(request).recomputed_cost;
        CHECK(now <= single);
        single = now;
      }
    }
  });
}

TEST_CASE("no plan of a small chain is below exhaustive search, and no bound above it") {
  REPRISE_SEEDED(random);
  for (int trial = 0; trial < 25; ++trial) {
    CAPTURE(trial);
    const auto layers = static_cast<std::uint32_t>(1 + random() % 5);
    const reprise_test::RandomChainProgram chain(random, {.layers = layers, .is_plain = true});
    const reprise::Program& program = chain.program();
    for (const byte_count budget : budgets_of(program, 3)) {
      CAPTURE(budget);
      const double optimum = reprise_test::cheapest_recomputation(program, budget, program.loss());
      for_each_planner([&](const auto& planner, Exceptions exceptions) {
        auto fresh = planner;
        try {
          const reprise::Plan plan = fresh({.program = program, .budget = budget});
          CHECK(plan.recomputed_cost >= optimum);
          CHECK(plan.lower_bound_cost <= optimum * (1 + 1e-9));
        } catch (const reprise::BudgetInfeasible& refused) {
          CHECK(refused.budget_bytes() == budget);
          // An online policy may pass with less memory and not with more.
          if (!exceptions.may_jump) CHECK(refused.smallest_budget() > budget);
          auto again = planner;
          const reprise::PlanRequest request{.program = program,
                                             .budget = refused.smallest_budget()};
          reprise_test::check_plan(request, again(request));
        }
      });
    }
  }
}

TEST_CASE("overrides of the first layers leave the others as they are") {
  REPRISE_SEEDED(random);
  for_each_planner([&](const auto& planner, Exceptions) {
    for (int trial = 0; trial < 5; ++trial) {
      CAPTURE(trial);
      const reprise_test::RandomChainProgram chain(random, {.layers = 8});
      const reprise::Program& program = chain.program();
      for (const auto word :
           {reprise::LayerOverride::must_save, reprise::LayerOverride::must_recompute}) {
        const auto plan_with = [&](std::size_t listed) {
          std::vector<reprise::LayerOverride> overrides(listed, reprise::LayerOverride::none);
          overrides.front() = word;
          auto fresh = planner;
          return fresh({.program = program, .overrides = overrides}).schedule;
        };
        CHECK(plan_with(1) == plan_with(program.layer_count()));
      }
    }
  });
}

TEST_CASE("no planner can be asked for no pass, or about a layer that is not there") {
  REPRISE_SEEDED(random);
  const reprise_test::RandomChainProgram chain(random, {.layers = 4});
  const reprise::Program& program = chain.program();
  const std::size_t layers = program.layer_count();
  const std::vector<reprise::LayerOverride> overrides(layers + 1);
  const std::string refused = "overrides of " + std::to_string(layers + 1) +
                              " layers for a program of " + std::to_string(layers) + " layers";
  for_each_planner([&](auto planner, Exceptions) {
    CHECK_THROWS_AS(static_cast<void>(planner({.program = program, .passes_in_flight = 0})),
                    reprise::InvalidArgument);
    CHECK_THROWS_WITH_AS(static_cast<void>(planner({.program = program, .overrides = overrides})),
                         refused.c_str(), reprise::InvalidArgument);
  });
}

TEST_CASE("no planner takes an override or a lifetime that does not exist") {
  REPRISE_SEEDED(random);
  const reprise_test::RandomChainProgram chain(random, {.layers = 4});
  const reprise::Program recorded = reprise_test::random_recorded_program(random, 20);
  for (const reprise::Program& program : {chain.program(), recorded}) {
    for (const unsigned word : {3U, 77U, 255U}) {
      CAPTURE(word);
      std::vector<reprise::LayerOverride> overrides(program.layer_count());
      overrides.back() = static_cast<reprise::LayerOverride>(word);
      for_each_planner([&](auto planner, Exceptions) {
        // A recorded program may be refused for not being a chain, first.
        CHECK_THROWS_AS(static_cast<void>(planner({.program = program, .overrides = overrides})),
                        reprise::InvalidArgument);
        CHECK_THROWS_AS(
            static_cast<void>(
                planner({.program = program,
                         .recomputed_lifetime = static_cast<reprise::RecomputedLifetime>(word)})),
            reprise::InvalidArgument);
      });
    }
  }
}

TEST_CASE("one operation may read, make and add to tens of thousands of values") {
  using reprise::OperationKind;
  using reprise::value_id;
  using reprise::ValueKind;
  constexpr value_id width = 50'000;
  std::vector<reprise::Value> values;
  const auto add = [&](value_id count, ValueKind kind, std::uint32_t node) {
    std::vector<value_id> made;
    for (value_id i = 0; i < count; ++i) {
      made.push_back(static_cast<value_id>(values.size()));
      values.push_back({.kind = kind, .node = node, .port = i, .bytes = 1});
    }
    return made;
  };
  const std::vector<value_id> wide = add(width, ValueKind::output, 0);
  const std::vector<value_id> sum = add(1, ValueKind::output, 1);
  const std::vector<value_id> loss = add(1, ValueKind::gradient, 1);
  const std::vector<value_id> gradients = add(width, ValueKind::gradient, 0);
  const std::vector<reprise::Operation> operations{
      {.writes = wide, .cost = 1, .repeatable = true},
      {.node = 1, .layer = 1, .reads = wide, .writes = sum, .cost = 1, .repeatable = true},
      {.kind = OperationKind::loss, .layer = 1, .reads = sum, .writes = loss},
      {.kind = OperationKind::backward,
       .node = 1,
       .layer = 1,
       .reads = loss,
       .writes = gradients,
       .accumulates = gradients,
       .cost = 1},
      {.kind = OperationKind::backward,
       .layer = 1,
       .reads = wide,
       .accumulates = gradients,
       .cost = 1,
       .adds_in_place = true},
      {.kind = OperationKind::backward, .reads = gradients, .cost = 1}};
  const reprise::Program program(values, operations, 2, 2, true);
  int planned = 0;
  for_each_planner([&](auto planner, Exceptions exceptions) {
    try {
      reprise_test::check_plan({.program = program}, planner({.program = program}));
      ++planned;
    } catch (const reprise::NotAChain&) {
      CHECK(exceptions.is_for_chains);
    }
  });
  CHECK(planned >= 10);
}

TEST_CASE("a program without a loss operation is planned, or refused for that") {
  REPRISE_SEEDED(random);
  const std::vector<reprise::LayerOverride> forced{reprise::LayerOverride::must_recompute};
  for (int trial = 0; trial < 20; ++trial) {
    CAPTURE(trial);
    const reprise::Program program = reprise_test::random_recorded_program(random, 20);
    int planned = 0;
    for_each_planner([&](auto planner, Exceptions exceptions) {
      try {
        reprise_test::check_plan({.program = program}, planner({.program = program}));
        ++planned;
        CHECK_THROWS_AS(static_cast<void>(planner({.program = program, .passes_in_flight = 2})),
                        reprise::InvalidArgument);
        CHECK_THROWS_AS(static_cast<void>(planner({.program = program, .overrides = forced})),
                        reprise::InvalidArgument);
      } catch (const reprise::NotAChain&) {
        CHECK(exceptions.is_for_chains);
      } catch (const reprise::InvalidArgument& refused) {
        CHECK(std::string(refused.what()).find("without a loss operation") != std::string::npos);
      }
    });
    CHECK(planned == 5);  // those by operations: two online, MinCut and the searches
  }
}
