// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// The planners of chains on layers that differ, and how their time grows with depth. A budget is a
// share of the way from the smallest one that the planner meets to store-all's peak, in percent.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <reprise/planner/binomial.hpp>
#include <reprise/planner/chain/chain_reversal.hpp>
#include <reprise/planner/chain/chain_table.hpp>
#include <reprise/planner/chain/layer_chain.hpp>
#include <reprise/planner/optimal_chain.hpp>
#include <reprise/planner/store_all.hpp>

#include "support/uneven_chain.hpp"

namespace {

using reprise_bench::uneven_chain;

template <reprise::Planner P>
reprise::byte_count smallest_budget(P& planner, reprise::PlanRequest request) {
  request.budget = 0;
  try {
    return planner(request).peak_bytes;
  } catch (const reprise::BudgetInfeasible& refused) {
    return refused.smallest_budget();
  }
}

template <reprise::Planner P>
void plan(benchmark::State& state, P planner) {
  const reprise::Program program = uneven_chain(static_cast<std::uint32_t>(state.range(0)));
  reprise::PlanRequest request{.program = program};
  const reprise::byte_count all = reprise::StoreAll{}(request).peak_bytes;
  const reprise::byte_count smallest = smallest_budget(planner, request);
  request.budget =
      smallest + (all - smallest) * static_cast<reprise::byte_count>(state.range(1)) / 100;
  reprise::Plan made;
  for (auto _ : state) {
    made = planner(request);
    benchmark::DoNotOptimize(made);
  }
  state.counters["recomputed"] = made.recomputed_cost / program.forward_cost();
  state.counters["of_budget"] =
      static_cast<double>(made.peak_bytes) / static_cast<double>(request.budget);
  state.counters["of_store_all"] = static_cast<double>(request.budget) / static_cast<double>(all);
  state.SetComplexityN(state.range(0));
}

/// One table of 500 slots for a half of store-all's peak.
void table(benchmark::State& state) {
  const reprise::Program program = uneven_chain(static_cast<std::uint32_t>(state.range(0)));
  const reprise::LayerChain chain(program);
  const reprise::ChainOverrides overrides(chain, {});
  const reprise::byte_count all =
      reprise::StoreAll{}(reprise::PlanRequest{.program = program}).peak_bytes;
  constexpr std::uint32_t slots = 500;
  for (auto _ : state) {
    const reprise::ChainTable made(chain, overrides, all / 2 / slots + 1, slots,
                                   static_cast<std::size_t>(state.range(1)));
    benchmark::DoNotOptimize(made.cost(slots));
  }
  state.SetComplexityN(state.range(0));
}

void links(benchmark::State& state) {
  const reprise::Program program = uneven_chain(static_cast<std::uint32_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(reprise::LayerChain(program));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void depths(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"layers", "percent"})->Unit(benchmark::kMillisecond);
  for (const int percent : {60, 30, 10}) {
    for (const int layers : {25, 50, 100, 200}) benchmark->Args({layers, percent});
  }
}

// Two minutes of two cores, for those who ask: REPRISE_DEEP_CHAINS=1 in the environment.
[[maybe_unused]] const bool has_deep_chains = [] {
  const bool is_asked_for = std::getenv("REPRISE_DEEP_CHAINS") != nullptr;
  if (is_asked_for) {
    benchmark::RegisterBenchmark(
        "plan/optimal_two_threads",
        [](benchmark::State& state) { plan(state, reprise::OptimalChain{.threads = 2}); })
        ->ArgNames({"layers", "percent"})
        ->Args({500, 30})
        ->Args({1000, 30})
        ->Args({1000, 10})
        ->Iterations(1)
        ->MeasureProcessCPUTime()
        ->UseRealTime()
        ->Unit(benchmark::kSecond);
  }
  return is_asked_for;
}();

}  // namespace

BENCHMARK(links)->Arg(100)->Arg(1000)->Arg(10'000)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(plan, binomial, reprise::Binomial{})->Apply(depths)->Args({1000, 10});
BENCHMARK_CAPTURE(plan, optimal, reprise::OptimalChain{})->Apply(depths);
BENCHMARK(table)
    ->ArgNames({"layers", "threads"})
    ->Args({50, 1})
    ->Args({100, 1})
    ->Args({200, 1})
    ->Args({400, 1})
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond)
    ->Complexity(benchmark::oNCubed);
