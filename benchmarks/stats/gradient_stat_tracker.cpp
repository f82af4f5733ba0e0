// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// What a step's statistics cost beyond reading the gradients: layers of 64 elements, so that the
// bytes hardly count. `read` is one pass at the end of a step, `observe` a layer at a time.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <reprise/backend/gradient_view.hpp>
#include <reprise/stats/gradient_stat_tracker.hpp>
#include <sstream>
#include <vector>

namespace {

struct Layers {
  std::vector<std::vector<float>> gradients;
  std::vector<reprise::GradientView> views;

  explicit Layers(std::int64_t count) {
    for (std::int64_t layer = 0; layer < count; ++layer) {
      gradients.emplace_back(64, 0.5F);
      views.push_back(reprise::gradient_view(gradients.back(), static_cast<std::uint32_t>(layer)));
    }
  }
};

template <class B>
using Tracker = reprise::GradientStatTracker<B>;

template <class B>
void read(benchmark::State& state) {
  const Layers layers(state.range(0));
  Tracker<B> tracker(layers.views.size(), layers.views);
  for (auto _ : state) {
    tracker.end_step();
    benchmark::DoNotOptimize(tracker.statistics().data());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

template <class B>
void observe(benchmark::State& state) {
  const Layers layers(state.range(0));
  Tracker<B> tracker(layers.views.size(), layers.views);
  for (auto _ : state) {
    for (std::size_t layer = 0; layer < layers.views.size(); ++layer) tracker.observe(layer);
    tracker.end_step();
    benchmark::DoNotOptimize(tracker.statistics().data());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void save_and_load(benchmark::State& state) {
  const Layers layers(state.range(0));
  Tracker<reprise::DefaultBackend> tracker(layers.views.size(), layers.views);
  tracker.end_step();
  for (auto _ : state) {
    std::stringstream stream;
    tracker.save(stream);
    tracker.load(stream);
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

}  // namespace

BENCHMARK_TEMPLATE(read, reprise::HostBackend<reprise::Serial>)
    ->RangeMultiplier(10)
    ->Range(10, 10'000);
BENCHMARK_TEMPLATE(read, reprise::DefaultBackend)
    ->RangeMultiplier(10)
    ->Range(10, 10'000)
    ->UseRealTime();
BENCHMARK_TEMPLATE(observe, reprise::DefaultBackend)->RangeMultiplier(10)->Range(10, 10'000);
BENCHMARK(save_and_load)->RangeMultiplier(10)->Range(10, 10'000);
