// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Each threshold policy at 10 to 10,000 layers.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <reprise/threshold/constant_threshold.hpp>
#include <reprise/threshold/hysteresis.hpp>
#include <reprise/threshold/mean_threshold.hpp>
#include <reprise/threshold/median_threshold.hpp>
#include <reprise/threshold/quantile_threshold.hpp>
#include <reprise/threshold/top_k.hpp>
#include <reprise/threshold/warmup.hpp>
#include <vector>

namespace {

template <reprise::ThresholdPolicy P>
void run(benchmark::State& state, P policy) {
  std::mt19937_64 random(1);
  std::lognormal_distribution<double> norm(0.0, 4.0);
  std::vector<double> gradients(static_cast<std::size_t>(state.range(0)));
  for (double& gradient : gradients) gradient = norm(random);
  for (auto _ : state) {
    benchmark::DoNotOptimize(reprise::thresholds(policy, gradients, 1000));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void layers(benchmark::internal::Benchmark* benchmark) {
  benchmark->RangeMultiplier(10)->Range(10, 10'000);
}

}  // namespace

BENCHMARK_CAPTURE(run, constant, reprise::ConstantThreshold{.tau = 1.0})->Apply(layers);
BENCHMARK_CAPTURE(run, mean, reprise::MeanThreshold{.alpha = 1.0})->Apply(layers);
BENCHMARK_CAPTURE(run, median, reprise::MedianThreshold{.alpha = 1.0})->Apply(layers);
BENCHMARK_CAPTURE(run, quantile, reprise::QuantileThreshold{.q = 0.75})->Apply(layers);
BENCHMARK_CAPTURE(run, top_k, reprise::TopK{.k = 5})->Apply(layers);
BENCHMARK_CAPTURE(run, warmup_median, reprise::Warmup{reprise::MedianThreshold{.alpha = 1.0}, 100})
    ->Apply(layers);
BENCHMARK_CAPTURE(run, hysteresis_median,
                  reprise::Hysteresis{reprise::MedianThreshold{.alpha = 1.0}, 0.1})
    ->Apply(layers);
