// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Batches of variable length, so that each step has shapes of its own: what it costs to plan for
// them beside the step. 96 small layers under 1 MiB.

#include <benchmark/benchmark.h>

#include <chrono>
#include <cstddef>
#include <reprise/core/chain.hpp>
#include <reprise/planner/balanced.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/store/remat_store.hpp>
#include <utility>
#include <vector>

namespace {

using Tensor = std::vector<float>;

struct Layer {
  using tensor_type = Tensor;
  using saved_type = Tensor;
  static constexpr auto backward_reads = reprise::Reads::input;

  [[nodiscard]] reprise::NodeCosts costs(const Tensor& x) const {
    const auto flops = static_cast<double>(x.size());
    return {.forward_flops = flops, .backward_flops = flops};
  }
  Tensor forward(const Tensor& x, Tensor& saved, reprise::PassContext& /*pass*/) {
    saved = x;
    Tensor y(x);
    for (float& one : y) one *= 0.99F;
    return y;
  }
  Tensor backward(const Tensor& /*x*/, Tensor& /*saved*/, const Tensor& dy,
                  reprise::PassContext& /*pass*/) {
    return dy;
  }
};

/// The counter is the time of planning, in times of the rest of the step, both by the clock. 64
/// shapes are remembered, so that each of the 200 lengths is new again when it comes.
template <reprise::Planner P>
void train(benchmark::State& state, const P& planner) {
  constexpr std::size_t different = 200;
  const auto shortest = static_cast<std::size_t>(state.range(0));
  std::vector<Layer> layers(96);
  auto graph = reprise::chain(layers);
  reprise::CheckpointScheduler scheduler{planner};
  reprise::RematStore store{{.budget = 1U << 20U}};
  reprise::Checkpointed net{graph, scheduler, store};
  double planning = 0;
  std::size_t step = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (auto _ : state) {
    net.begin_step();
    const Tensor x(shortest + step++ * 37 % different);
    auto pass = net.forward(x);
    Tensor dy(pass.output());
    benchmark::DoNotOptimize(net.backward(std::move(pass), std::move(dy)));
    net.end_step();
    planning += net.report().plan_seconds;
  }
  const std::chrono::duration<double> all = std::chrono::steady_clock::now() - begin;
  state.counters["plans_in_steps"] = planning / (all.count() - planning);
}

void lengths(benchmark::internal::Benchmark* benchmark) {
  benchmark->Arg(1500)->Arg(2000)->Arg(2800)->Unit(benchmark::kMillisecond);
}

}  // namespace

BENCHMARK_CAPTURE(train, min_cut, reprise::MinCut{})->Apply(lengths);
BENCHMARK_CAPTURE(train, min_cut_takes_first, reprise::MinCut{.takes_first = true})->Apply(lengths);
BENCHMARK_CAPTURE(train, balanced, reprise::Balanced{})->Apply(lengths);
