// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Choosing a victim among 1,000 to 100,000 live values: the tournament against a scan, alone and
// inside the store. One iteration is one eviction, or in the store one new value; `an_eviction` is
// the time that it takes for each value evicted.

#include <benchmark/benchmark.h>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <random>
#include <reprise/eviction/dtr.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/eviction/dtr_local.hpp>
#include <reprise/eviction/largest.hpp>
#include <reprise/eviction/lru.hpp>
#include <reprise/eviction/msps.hpp>
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

// New values evict others: the budget holds about `live` values. Each is made from a value a few
// steps back, which is recomputed now and then, and one in 100 from a constant, as an input is, so
// that no recompute reaches back to the start. Values are released after twice as many more.
template <class Policy>
void store(benchmark::State& state) {
  using Store = reprise::OperationStore<reprise::SizesOnly, Policy>;
  const auto live = static_cast<std::size_t>(state.range(0));
  Store store(reprise::byte_count{24} * live);
  std::mt19937_64 random(1);
  const typename Store::Handle input = store.constant({});
  std::vector<typename Store::Handle> held(2 * live);
  std::size_t count = 0;
  const auto make = [&] {
    const bool is_first = count < 8 || random() % 100 == 0;
    const std::size_t source = count - 1 - random() % 8;
    auto made = store.run({.cost = 1 + random() % 1000,
                           .inputs = {is_first ? input : held[source % held.size()]},
                           .outputs = {{.bytes = 16 + random() % 17}}});
    held[count++ % held.size()] = std::move(made[0]);
  };
  // A scan costs the same whatever was evicted before, and would take minutes to get there.
  const std::size_t settled = std::same_as<Policy, Opaque> ? live + live / 50 : 3 * live;
  while (count < settled) make();
  const std::uint64_t before = store.evictions();
  for (auto _ : state) make();
  const auto evictions = static_cast<double>(store.evictions() - before);
  state.counters["evictions"] = benchmark::Counter(evictions, benchmark::Counter::kAvgIterations);
  state.counters["an_eviction"] =
      benchmark::Counter(evictions, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

BENCHMARK(tournament)->RangeMultiplier(10)->Range(1000, 100'000);
BENCHMARK(scan)->RangeMultiplier(10)->Range(1000, 100'000);
BENCHMARK(store<reprise::Dtr>)->RangeMultiplier(10)->Range(1000, 100'000);
BENCHMARK(store<reprise::DtrEqClass>)->RangeMultiplier(10)->Range(1000, 100'000);
BENCHMARK(store<reprise::DtrLocal>)->RangeMultiplier(10)->Range(1000, 100'000);
BENCHMARK(store<reprise::Msps>)->RangeMultiplier(10)->Range(1000, 100'000);
BENCHMARK(store<reprise::Lru>)->RangeMultiplier(10)->Range(1000, 100'000);
BENCHMARK(store<reprise::Largest>)->RangeMultiplier(10)->Range(1000, 100'000);
BENCHMARK(store<Opaque>)->RangeMultiplier(10)->Range(1000, 100'000);

}  // namespace
