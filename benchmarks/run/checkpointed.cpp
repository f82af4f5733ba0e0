// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// A step of `Checkpointed` that keeps everything against the same nodes called by hand. An item is
// a call of a node's forward or backward.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <reprise/planner/store_all.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/store/remat_store.hpp>
#include <utility>
#include <vector>

#include "support/chain_program.hpp"
#include "support/no_statistics.hpp"

namespace {

using reprise_bench::CheapNode;
using Tensor = std::vector<float>;

void count_calls(benchmark::State& state) {
  state.counters["node_call"] = benchmark::Counter(
      static_cast<double>(2 * state.range(0)),
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void by_hand(benchmark::State& state) {
  std::vector<CheapNode> nodes(static_cast<std::size_t>(state.range(0)));
  const Tensor x(1, 1.0F);
  reprise::PassContext pass;
  for (auto _ : state) {
    std::vector<Tensor> outputs(nodes.size());
    std::vector<Tensor> saved(nodes.size());
    for (std::size_t n = 0; n < nodes.size(); ++n) {
      outputs[n] = nodes[n].forward(n == 0 ? x : outputs[n - 1], saved[n], pass);
    }
    Tensor dy(1, 1.0F);
    for (std::size_t n = nodes.size(); n-- > 0;) {
      dy = nodes[n].backward(n == 0 ? x : outputs[n - 1], saved[n], dy, pass);
      outputs[n] = Tensor();
      saved[n] = Tensor();
    }
    benchmark::DoNotOptimize(dy.data());
  }
  count_calls(state);
}

void checkpointed(benchmark::State& state) {
  std::vector<CheapNode> nodes(static_cast<std::size_t>(state.range(0)));
  auto graph = reprise::chain(nodes);
  reprise_bench::NoStatistics tracker;
  reprise::CheckpointScheduler scheduler{reprise::StoreAll{},
                                         reprise::ReplanEvery{.steps = 1'000'000'000}};
  reprise::RematStore store;
  reprise::Checkpointed net{graph, tracker, scheduler, store};
  const Tensor x(1, 1.0F);
  for (auto _ : state) {
    net.begin_step();
    auto pass = net.forward(x);
    auto dx = net.backward(std::move(pass), Tensor(1, 1.0F));
    net.end_step();
    benchmark::DoNotOptimize(dx[0].data());
  }
  count_calls(state);
}

}  // namespace

BENCHMARK(by_hand)->RangeMultiplier(10)->Range(10, 10'000);
BENCHMARK(checkpointed)->RangeMultiplier(10)->Range(10, 10'000);
