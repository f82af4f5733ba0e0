// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Each planner, and what planners are made of, at 10 to 10,000 layers.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <reprise/planner/every_nth.hpp>
#include <reprise/planner/gradient_threshold.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/square_root.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <reprise/program/simulate.hpp>
#include <reprise/threshold/median_threshold.hpp>
#include <vector>

#include "support/chain_program.hpp"

namespace {

using reprise_bench::chain_program;

std::vector<double> gradient_of_each(std::size_t layers) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> norm(0.0, 4.0);
  std::vector<double> gradients(layers);
  for (double& gradient : gradients) gradient = norm(random);
  return gradients;
}

template <reprise::Planner P>
void plan(benchmark::State& state, P planner, double of_store_all) {
  const auto layers = static_cast<std::size_t>(state.range(0));
  const reprise::Program program = chain_program(layers);
  const std::vector<double> gradients = gradient_of_each(layers);
  reprise::PlanRequest request{.program = program, .gradients = gradients};
  if (of_store_all < 1.0) {
    const reprise::byte_count all = reprise::StoreAll{}(request).peak_bytes;
    request.budget = static_cast<reprise::byte_count>(of_store_all * static_cast<double>(all)) + 64;
  }
  for (auto _ : state) benchmark::DoNotOptimize(planner(request));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

/// Every fourth value kept: reruns in every group.
void keep_and_simulate(benchmark::State& state) {
  const reprise::Program program = chain_program(static_cast<std::size_t>(state.range(0)));
  reprise::SavedSet set(program.values().size(), 0);
  for (std::size_t v = 0; v < set.size(); v += 4) set[v] = 1;
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        reprise::simulate(program, reprise::schedule_from_saved(program, set)));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void layers(benchmark::internal::Benchmark* benchmark) {
  benchmark->RangeMultiplier(10)->Range(10, 10'000)->Unit(benchmark::kMicrosecond);
}

const reprise::MedianThreshold median{.alpha = 1.0};

}  // namespace

BENCHMARK(keep_and_simulate)->Apply(layers);
BENCHMARK_CAPTURE(plan, store_all, reprise::StoreAll{}, 1.0)->Apply(layers);
BENCHMARK_CAPTURE(plan, recompute_all, reprise::RecomputeAll{}, 1.0)->Apply(layers);
BENCHMARK_CAPTURE(plan, every_4th, reprise::EveryNth{.n = 4}, 1.0)->Apply(layers);
BENCHMARK_CAPTURE(plan, square_root, reprise::SquareRoot{}, 1.0)->Apply(layers);
BENCHMARK_CAPTURE(plan, gradient, reprise::GradientThreshold{median}, 1.0)->Apply(layers);
BENCHMARK_CAPTURE(plan, gradient_60_percent, reprise::GradientThreshold{median}, 0.6)
    ->Apply(layers);
