// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// The planners by stages, and a layout, at 10 to 10,000 layers (the searches to 100,000
// operations): how time grows. A program has three times as many operations as layers, and a bit.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <reprise/core/error.hpp>
#include <reprise/eviction/dtr.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/planner/balanced.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/online.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/planner/staged/instant_cut.hpp>
#include <reprise/planner/staged/price_search.hpp>
#include <reprise/planner/staged/staged_request.hpp>
#include <reprise/planner/staged/staged_search.hpp>
#include <reprise/program/arena/piece.hpp>
#include <reprise/program/arena/slab_search.hpp>
#include <reprise/program/layout.hpp>
#include <reprise/program/program.hpp>
#include <utility>
#include <vector>

namespace {

/// Collects the operations of a recorded program, each of which makes one value.
class Recording {
 public:
  reprise::value_id add(std::vector<reprise::value_id> reads, reprise::byte_count bytes,
                        double cost) {
    const auto node = static_cast<std::uint32_t>(operations_.size());
    const auto value = static_cast<reprise::value_id>(values_.size());
    values_.push_back({.node = node, .bytes = bytes});
    operations_.push_back({.node = node,
                           .reads = std::move(reads),
                           .writes = {value},
                           .cost = cost,
                           .repeatable = true});
    return value;
  }

  [[nodiscard]] reprise::Program program(reprise::value_id result) && {
    return {std::move(values_),
            std::move(operations_),
            reprise::Program::no_operation,
            1,
            true,
            {result}};
  }

 private:
  std::vector<reprise::Value> values_{{.kind = reprise::ValueKind::input}};
  std::vector<reprise::Operation> operations_;
};

/// A recorded net: each layer reads the one before it, every fifth one of the ten before it too,
/// and makes a mask for backward; sizes and costs are random.
reprise::Program random_net(std::size_t layers) {
  std::mt19937_64 random(1);
  Recording recording;
  std::vector<reprise::value_id> outputs{0};
  std::vector<reprise::value_id> masks{0};
  for (std::size_t layer = 1; layer <= layers; ++layer) {
    std::vector<reprise::value_id> reads{outputs.back()};
    if (layer > 10 && random() % 5 == 0) reads.push_back(outputs[layer - 2 - random() % 8]);
    masks.push_back(recording.add({outputs.back()}, 500 + random() % 500, 1));
    outputs.push_back(recording.add(std::move(reads), 1000 + random() % 4000,
                                    1.0 + static_cast<double>(random() % 100)));
  }
  reprise::value_id gradient = recording.add({outputs.back()}, 100, 1);
  for (std::size_t layer = layers; layer > 0; --layer) {
    gradient =
        recording.add({gradient, outputs[layer - 1], outputs[layer], masks[layer]}, 2000, 150);
  }
  return std::move(recording).program(gradient);
}

/// A recorded graph: each node reads the one before it and others of all before it, or all of them
/// where it has no more; backward reads each node once. Sizes and costs are random.
reprise::Program random_graph(std::size_t nodes, std::size_t reads_of_each) {
  std::mt19937_64 random(1);
  Recording recording;
  for (std::size_t node = 1; node <= nodes; ++node) {
    std::vector<reprise::value_id> reads{static_cast<reprise::value_id>(node - 1)};
    const bool reads_all = node <= reads_of_each;
    while (reads.size() < std::min(node, reads_of_each)) {
      reads.push_back(static_cast<reprise::value_id>(reads_all ? node - 1 - reads.size()
                                                               : node - 1 - random() % (node - 1)));
    }
    std::ranges::sort(reads);
    reads.erase(std::unique(reads.begin(), reads.end()), reads.end());
    const reprise::byte_count bytes = 1000 + random() % 4000;
    recording.add(std::move(reads), bytes, 1.0 + static_cast<double>(random() % 100));
  }
  reprise::value_id gradient = recording.add({static_cast<reprise::value_id>(nodes)}, 100, 1);
  for (std::size_t node = nodes; node > 0; --node) {
    gradient = recording.add({gradient, static_cast<reprise::value_id>(node)}, 2000, 150);
  }
  return std::move(recording).program(gradient);
}

reprise::byte_count most_of_all(const reprise::Program& program) {
  return reprise::MinCut{}({.program = program}).peak_bytes * 3 / 4;
}

/// A cut's refusal, which looks at the most cuts: of a graph that no budget of three quarters is
/// enough for. Items are edges.
void refuse(benchmark::State& state) {
  const reprise::Program program = random_graph(static_cast<std::size_t>(state.range(0)),
                                                static_cast<std::size_t>(state.range(1)));
  const reprise::PlanRequest request{.program = program, .budget = most_of_all(program)};
  std::int64_t edges = 0;
  for (const reprise::Operation& op : program.operations()) {
    edges += static_cast<std::int64_t>(op.reads.size());
  }
  bool is_refused = false;
  for (auto _ : state) {
    try {
      benchmark::DoNotOptimize(reprise::MinCut{}(request));
    } catch (const reprise::BudgetInfeasible&) {
      is_refused = true;
    }
  }
  state.counters["refused"] = is_refused ? 1 : 0;
  state.SetItemsProcessed(state.iterations() * edges);
}

/// Cuts at the instant where most is live.
template <class F>
void cut_at_peak(benchmark::State& state, F cut) {
  const reprise::Program program = random_net(static_cast<std::size_t>(state.range(0)));
  const reprise::PlanRequest request{.program = program, .budget = most_of_all(program)};
  reprise::staged::StagedRequest staged(request);
  const reprise::staged::StagedPlan base = staged.base();
  const auto instant = static_cast<reprise::staged::stage_id>(base.profile().highest());
  staged.anchor(instant);
  for (auto _ : state) benchmark::DoNotOptimize(cut(base, instant));
  state.SetItemsProcessed(state.iterations() * staged.program().operation_count());
}

void cut_once(benchmark::State& state) {
  cut_at_peak(state,
              [](const reprise::staged::StagedPlan& base, reprise::staged::stage_id instant) {
                reprise::staged::InstantCut cut(base, instant);
                cut.solve(cut.typical_price());
                return cut.bound();
              });
}

/// The price at which the choice at one instant just fits, and the storages at that price.
void cut_at_all_prices(benchmark::State& state) {
  cut_at_peak(state,
              [](const reprise::staged::StagedPlan& base, reprise::staged::stage_id instant) {
                return reprise::staged::choose_at(base, instant).bound;
              });
}

/// Each plan by a planner that knows nothing yet. Items are operations.
template <reprise::Planner P>
void plan(benchmark::State& state, const P& planner) {
  const reprise::Program program = random_net(static_cast<std::size_t>(state.range(0)));
  const reprise::PlanRequest request{.program = program, .budget = most_of_all(program)};
  double recomputed = 0;
  for (auto _ : state) {
    P fresh = planner;
    recomputed = fresh(request).recomputed_cost;
  }
  state.counters["recomputed"] = recomputed / program.forward_cost();
  state.SetItemsProcessed(state.iterations() *
                          static_cast<std::int64_t>(program.operations().size()));
}

/// Items are tries.
void search_tries(benchmark::State& state) {
  constexpr std::uint64_t tries = 1000;
  const reprise::Program program = random_net(static_cast<std::size_t>(state.range(0)));
  const reprise::PlanRequest request{.program = program, .budget = most_of_all(program)};
  const reprise::staged::StagedRequest staged(request);
  reprise::staged::StagedSearch search(staged.base(), {});
  for (auto _ : state) search.run(tries, 0.5);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(tries));
}

void layout(benchmark::State& state) {
  const reprise::Program program = random_net(static_cast<std::size_t>(state.range(0)));
  const reprise::Plan plan =
      reprise::MinCut{}({.program = program, .budget = most_of_all(program)});
  for (auto _ : state) {
    benchmark::DoNotOptimize(reprise::layout(program, plan.schedule, {.tries = 1}));
  }
  state.SetItemsProcessed(state.iterations() *
                          static_cast<std::int64_t>(program.operations().size()));
}

/// A first layout of blocks that begin and end anywhere, a third of which are live at once. Items
/// are blocks.
void layout_of_blocks(benchmark::State& state) {
  std::mt19937_64 random(1);
  std::vector<reprise::arena::Piece> pieces;
  const auto moments = static_cast<std::uint64_t>(2 * state.range(0));
  for (std::int64_t i = 0; i < state.range(0); ++i) {
    const auto one = static_cast<std::uint32_t>(random() % moments);
    const auto other = static_cast<std::uint32_t>(random() % moments);
    pieces.push_back({.first = std::min(one, other),
                      .last = std::max(one, other),
                      .bytes = 64 * (1 + random() % 1000)});
  }
  double needed = 0;
  for (auto _ : state) {
    reprise::arena::SlabSearch search(pieces);
    search.run({.tries = 1});
    needed = static_cast<double>(search.high_water());
  }
  state.counters["over_live"] = needed / static_cast<double>(reprise::arena::live_bytes(pieces));
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

void layers(benchmark::internal::Benchmark* benchmark) {
  benchmark->RangeMultiplier(10)->Range(10, 3'333)->Unit(benchmark::kMillisecond);
}

}  // namespace

BENCHMARK(cut_once)->Apply(layers);
BENCHMARK(cut_at_all_prices)->Apply(layers);
BENCHMARK_CAPTURE(plan, min_cut, reprise::MinCut{})->Apply(layers);
BENCHMARK_CAPTURE(plan, min_cut_at_one_instant, reprise::MinCut{.looks_further = false})
    ->Apply(layers);
BENCHMARK_CAPTURE(plan, search_of_1000_tries, reprise::LocalSearch{{.tries = 1000, .threads = 1}})
    ->Apply(layers);
BENCHMARK_CAPTURE(plan, balanced_of_1000_tries, reprise::Balanced{{.tries = 1000}})->Apply(layers);
BENCHMARK_CAPTURE(plan, online_dtr, reprise::Online<reprise::Dtr>{})->Apply(layers)->Arg(33'333);
BENCHMARK_CAPTURE(plan, online_dtr_eq_class, reprise::Online<reprise::DtrEqClass>{})->Apply(layers);
BENCHMARK(refuse)->Args({32'000, 10})->Args({1'000, 1'000})->Unit(benchmark::kMillisecond);
BENCHMARK(search_tries)->Apply(layers)->Arg(33'333);
BENCHMARK(layout)->Apply(layers)->Arg(33'333);
BENCHMARK(layout_of_blocks)
    ->RangeMultiplier(10)
    ->Range(1'000, 100'000)
    ->Unit(benchmark::kMillisecond);
