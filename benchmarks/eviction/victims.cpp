// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Choosing a victim among 1,000 to 100,000 live values: the tournament against a scan, alone and
// inside the store. One iteration is one eviction.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <reprise/eviction/dtr.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/eviction/dtr_local.hpp>
#include <reprise/eviction/score.hpp>
#include <reprise/eviction/victim_index.hpp>
#include <reprise/eviction/victim_scan.hpp>
#include <reprise/store/operation_store.hpp>
#include <utility>
#include <vector>

namespace {

using reprise::AgeingScore;

/// Scores as programs have them: sizes and costs over several decades.
class Scores {
 public:
  AgeingScore next(std::uint64_t clock) {
    return {.numerator = static_cast<std::uint64_t>(cost_(random_)) + 1,
            .weight = static_cast<std::uint64_t>(bytes_(random_)) + 1,
            .since = clock};
  }
  std::uint64_t pause() { return 1 + random_() % 1000; }

 private:
  std::mt19937_64 random_{1};
  std::lognormal_distribution<double> cost_{10.0, 2.0};
  std::lognormal_distribution<double> bytes_{14.0, 2.0};
};

void tournament(benchmark::State& state) {
  const auto live = static_cast<std::uint32_t>(state.range(0));
  reprise::VictimIndex<AgeingScore> index;
  Scores scores;
  std::uint64_t clock = 1;
  std::uint64_t joined = 0;
  for (std::uint32_t entry = 0; entry < live; ++entry) {
    index.set(entry, scores.next(clock), joined++);
    clock += scores.pause();
  }
  for (auto _ : state) {
    clock += scores.pause();
    const std::uint32_t victim = index.choose(clock);
    index.erase(victim);
    index.set(victim, scores.next(clock), joined++);
  }
}

void scan(benchmark::State& state) {
  const auto live = static_cast<std::uint32_t>(state.range(0));
  reprise::VictimScan index;
  Scores scores;
  std::vector<AgeingScore> entries(live);
  std::uint64_t clock = 1;
  std::uint64_t joined = 0;
  for (std::uint32_t entry = 0; entry < live; ++entry) {
    entries[entry] = scores.next(clock);
    index.set(entry, joined++);
    clock += scores.pause();
  }
  for (auto _ : state) {
    clock += scores.pause();
    const std::uint32_t victim = index.choose([&](std::uint32_t entry) {
      return reprise::scoring::at(entries[entry], clock).approximate();
    });
    index.erase(victim);
    entries[victim] = scores.next(clock);
    index.set(victim, joined++);
  }
}

/// DTR without a neighbourhood, as somebody would write it who knows nothing of the tournament.
struct Opaque {
  static constexpr reprise::Neighbourhood neighbourhood = reprise::Neighbourhood::none;
  [[nodiscard]] double score(const reprise::Candidate& candidate) const {
    return static_cast<double>(candidate.cost()) /
           (static_cast<double>(candidate.bytes()) *
            static_cast<double>(candidate.clock() - candidate.last_access()));
  }
};

// Every new value evicts one: the budget holds `live` values of equal size, each made from a value
// some way back, which is remade now and then.
template <class Policy>
void store(benchmark::State& state) {
  using Store = reprise::OperationStore<reprise::NoPayload, Policy>;
  const auto live = static_cast<std::size_t>(state.range(0));
  Store store(reprise::byte_count{16} * live);
  std::mt19937_64 random(1);
  std::vector<typename Store::Handle> recent;
  recent.push_back(store.constant({}));
  const auto make = [&] {
    const std::size_t back = random() % std::min<std::size_t>(recent.size(), 8);
    auto made = store.run({.cost = 1 + random() % 1000,
                           .inputs = {recent[recent.size() - 1 - back]},
                           .outputs = {{.bytes = 16}}});
    recent.push_back(std::move(made[0]));
  };
  for (std::size_t i = 0; i < live; ++i) make();
  const std::uint64_t before = store.evictions();
  for (auto _ : state) make();
  state.counters["evictions"] = benchmark::Counter(static_cast<double>(store.evictions() - before),
                                                   benchmark::Counter::kAvgIterations);
}

BENCHMARK(tournament)->RangeMultiplier(10)->Range(1000, 100'000);
BENCHMARK(scan)->RangeMultiplier(10)->Range(1000, 100'000);
BENCHMARK(store<reprise::DtrLocal>)->RangeMultiplier(10)->Range(1000, 100'000);
BENCHMARK(store<reprise::DtrEqClass>)->RangeMultiplier(10)->Range(1000, 100'000);
// Here nothing is ever released, so that the exact neighbourhoods grow with the run.
BENCHMARK(store<reprise::Dtr>)->RangeMultiplier(10)->Range(1000, 10'000);
BENCHMARK(store<Opaque>)->RangeMultiplier(10)->Range(1000, 100'000);

}  // namespace
