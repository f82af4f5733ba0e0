// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// What Reprise costs in a training step of the demo's GPT with the demo's defaults, on its engine's
// pooling allocator: beside the same nodes called by hand, and what of it is statistics and plans.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <reprise/backend/host.hpp>
#include <reprise/core/graph.hpp>
#include <reprise/core/philox.hpp>
#include <reprise/core/units.hpp>
#include <reprise/planner/gradient_threshold.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/program/cost/flops.hpp>
#include <reprise/program/lowering.hpp>
#include <reprise/program/profile.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/scheduler/replan_every.hpp>
#include <reprise/stats/cadence.hpp>
#include <reprise/stats/ema.hpp>
#include <reprise/stats/gradient_stat_tracker.hpp>
#include <reprise/store/remat_store.hpp>
#include <reprise/threshold/median_threshold.hpp>
#include <span>
#include <string>
#include <utility>

#include "engine/adam_w.hpp"
#include "engine/batches.hpp"
#include "engine/model.hpp"
#include "engine/reference_loop.hpp"
#include "engine/threads.hpp"
#include "options.hpp"
#include "support/in_turn.hpp"
#include "support/no_statistics.hpp"

namespace {

using Graph = reprise::Graph<gpt::Tensor<>>;

gpt::TokenBatch<> random_batch(const gpt::ModelShape& shape, std::size_t sequences) {
  gpt::TokenBatch<> batch;
  const reprise::Philox random(1, 0);
  for (std::size_t i = 0; i < sequences * shape.context; ++i) {
    batch.tokens.push_back(static_cast<std::uint8_t>(random.bits(2 * i)));
    batch.targets.push_back(static_cast<std::uint8_t>(random.bits(2 * i + 1)));
  }
  return batch;
}

gpt::Options with_threads(gpt::Options options, std::int64_t threads) {
  options.threads = static_cast<int>(threads);
  gpt::set_threads(options.threads);
  return options;
}

// Far smaller than anyone trains: a node's work no longer hides what is around its call.
gpt::Options small_model() {
  gpt::Options options;
  options.shape = {.layers = 2, .channels = 32, .heads = 2, .context = 32};
  options.batch = 2;
  return options;
}

// Forward and backward, everything kept; in processor time or in that of the clock on the wall.
void checkpointed_by_hand(benchmark::State& state, const gpt::Options& defaults,
                          reprise_bench::InTurn::Clock clock) {
  const gpt::Options options = with_threads(defaults, state.range(0));
  gpt::Model model(options.shape, options.seed);
  model.batches().training.push_back(random_batch(options.shape, options.batch));

  gpt::ReferenceLoop loop(model.graph());
  std::uint64_t step = 0;
  const auto by_hand = [&] {
    benchmark::DoNotOptimize(loop.forward({.seed = options.seed, .step = step++}).data());
    loop.backward(model.scalar(1));
  };
  reprise_bench::NoStatistics tracker;
  reprise::CheckpointScheduler scheduler{reprise::StoreAll{}, reprise::ReplanEvery{.steps = 0}};
  reprise::RematStore store;
  reprise::Checkpointed net{model.graph(), tracker, scheduler, store, {.seed = options.seed}};
  const auto checkpointed = [&] {
    net.begin_step();
    auto pass = net.forward();
    benchmark::DoNotOptimize(pass.output().data());
    net.backward(std::move(pass), model.scalar(1));
    net.end_step();
  };
  reprise_bench::InTurn in_turn({{"by_hand", by_hand}, {"checkpointed", checkpointed}}, clock);
  in_turn.run(state);
  in_turn.for_each_ratio(
      [&](const std::string& name, double ratio) { state.counters[name] = ratio; });
}

// Adds up the processor time that calls take.
class Stopwatch {
 public:
  template <class F>
  decltype(auto) operator()(F&& f) {
    const Stop stop{*this, std::clock()};
    return f();
  }
  [[nodiscard]] double seconds() const { return static_cast<double>(total_) / CLOCKS_PER_SEC; }
  void reset() { total_ = 0; }

 private:
  struct Stop {
    Stopwatch& watch;
    std::clock_t start;
    ~Stop() { watch.total_ += std::clock() - start; }
  };

  std::clock_t total_ = 0;
};

template <reprise::StatisticsTracker T>
struct TimedTracker {
  T& tracker;
  Stopwatch watch{};

  [[nodiscard]] std::span<const double> statistics() const { return tracker.statistics(); }
  void end_step() {
    watch([&] { tracker.end_step(); });
  }
  void abandon_step() { tracker.abandon_step(); }
};

template <reprise::PlanScheduler S>
struct TimedScheduler {
  S& scheduler;
  Stopwatch watch{};

  void begin_step(std::span<const double> statistics, std::uint64_t step) {
    watch([&] { scheduler.begin_step(statistics, step); });
  }
  std::shared_ptr<const reprise::Plan> plan(std::uint64_t signature,
                                            const reprise::Program& program,
                                            reprise::byte_count budget, std::size_t passes) {
    return watch([&] { return scheduler.plan(signature, program, budget, passes); });
  }
  void forget(std::uint64_t signature) { scheduler.forget(signature); }
};

reprise::byte_count budget_for(gpt::Model<>& model, double share) {
  if (share >= 1) return reprise::unlimited_bytes;
  const reprise::Program program =
      reprise::lower(model.graph(), reprise::make_profile(model.graph(), {}, {}), true,
                     reprise::Flops{})
          .program;
  const auto peak = static_cast<double>(reprise::StoreAll{}({.program = program}).peak_bytes);
  return static_cast<reprise::byte_count>(share * peak);
}

// Whole steps under the gradient rule. The counters are shares of their processor time: of reading
// the gradients into the statistics, of making plans, and of both.
void tracking_and_planning(benchmark::State& state, double budget_share) {
  const gpt::Options options = with_threads({}, state.range(0));
  const auto cadence = static_cast<std::uint64_t>(state.range(1));
  gpt::Model model(options.shape, options.seed);
  model.batches().training.push_back(random_batch(options.shape, options.batch));
  gpt::AdamW optimiser(model.parameters(), {.learning_rate = options.learning_rate});

  reprise::GradientStatTracker tracker(model.graph(), reprise::Ema{.beta = options.beta},
                                       reprise::EverySteps{.steps = cadence});
  reprise::CheckpointScheduler scheduler{
      reprise::GradientThreshold{reprise::MedianThreshold{.alpha = options.alpha}},
      reprise::ReplanEvery{.steps = cadence}};
  TimedTracker<decltype(tracker)> timed_tracker{tracker};
  TimedScheduler<decltype(scheduler)> timed_scheduler{scheduler};
  reprise::RematStore store{{.budget = budget_for(model, budget_share)}};
  reprise::Checkpointed net{
      model.graph(), timed_tracker, timed_scheduler, store, {.seed = options.seed}};
  const auto step = [&] {
    model.parameters().zero_gradients();
    net.begin_step();
    auto pass = net.forward();
    benchmark::DoNotOptimize(pass.output().data());
    net.backward(std::move(pass), model.scalar(1));
    net.end_step();
    optimiser.step();
  };

  for (std::uint64_t i = 0; i <= cadence; ++i) step();  // profiles, and plans without statistics
  timed_tracker.watch.reset();
  timed_scheduler.watch.reset();
  double seconds = 0;
  for (auto _ : state) {
    // A round from one plan to the next, so that plans count with the share that they have.
    for (std::uint64_t i = 0; i < cadence; ++i) seconds += reprise_bench::cpu_seconds_of(step);
  }
  state.counters["tracking_percent"] = 100 * timed_tracker.watch.seconds() / seconds;
  state.counters["planning_percent"] = 100 * timed_scheduler.watch.seconds() / seconds;
  state.counters["both_percent"] =
      100 * (timed_tracker.watch.seconds() + timed_scheduler.watch.seconds()) / seconds;
}

const gpt::Options demo{};
constexpr double no_budget = 1.0;

void each_number_of_threads(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgName("threads")->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond)->UseManualTime();
}

// The demo's cadence, and everything at every step.
void each_cadence(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"threads", "cadence"})->Unit(benchmark::kMillisecond)->UseRealTime();
  benchmark->Args({2, static_cast<std::int64_t>(demo.cadence)})->Args({2, 1});
}

}  // namespace

BENCHMARK_CAPTURE(checkpointed_by_hand, demo, demo, reprise_bench::seconds_of)
    ->Apply(each_number_of_threads);
BENCHMARK_CAPTURE(checkpointed_by_hand, demo_cpu, demo, reprise_bench::cpu_seconds_of)
    ->Apply(each_number_of_threads);
BENCHMARK_CAPTURE(checkpointed_by_hand, small_cpu, small_model(), reprise_bench::cpu_seconds_of)
    ->Apply(each_number_of_threads);
BENCHMARK_CAPTURE(tracking_and_planning, half_of_store_all, 0.5)->Apply(each_cadence);
BENCHMARK_CAPTURE(tracking_and_planning, no_budget, no_budget)->Apply(each_cadence);
