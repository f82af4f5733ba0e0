// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Different objects are independent: each thread has its own, and what they come to is what one
// thread comes to. The preset `threads` runs this under ThreadSanitizer.

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <reprise/core/graph.hpp>
#include <reprise/eviction/dtr.hpp>
#include <reprise/eviction/lru.hpp>
#include <reprise/planner/gradient_threshold.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/online.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/stats/gradient_stat_tracker.hpp>
#include <reprise/store/operation_store.hpp>
#include <reprise/threshold/median_threshold.hpp>
#include <span>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "support/chain_program.hpp"
#include "support/random_graph.hpp"
#include "support/random_step.hpp"

namespace {

constexpr std::size_t thread_count = 4;

// What a function of a number gives on threads of its own, against what it gives on this one.
template <class F>
void check_independent(F&& of) {
  using Result = decltype(of(std::uint32_t{0}));
  std::vector<Result> results(thread_count);
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < thread_count; ++i) {
    threads.emplace_back([&, i] { results[i] = of(i); });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::uint32_t i = 0; i < thread_count; ++i) {
    CAPTURE(i);
    CHECK(results[i] == of(i));
  }
}

struct Model {
  struct Traits {
    std::uint32_t layer;
  };
  std::vector<std::vector<float>> gradients;

  [[nodiscard]] std::size_t size() const { return gradients.size(); }
  [[nodiscard]] Traits traits(std::size_t node) const { return {static_cast<std::uint32_t>(node)}; }
  template <class F>
  void for_each_gradient(std::size_t node, F&& f) {
    f(std::span<const float>(gradients[node]));
  }
};

// A few observed steps, with plans made from what was observed; all of the state.
std::string tracked(std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Model model{{std::vector<float>(3000), std::vector<float>(70), std::vector<float>(20'000)}};
  reprise::GradientStatTracker tracker{model};  // reads gradients on several threads of its own
  reprise::CheckpointScheduler scheduler{
      reprise::GradientThreshold{reprise::MedianThreshold{.alpha = 1.0}},
      reprise::ReplanEvery{.steps = 2}};
  const reprise::Program program = reprise_test::chain_program(3);
  std::ostringstream out;
  for (std::uint64_t step = 0; step < 6; ++step) {
    for (std::vector<float>& gradient : model.gradients) {
      for (float& value : gradient) value = normal(random);
    }
    tracker.end_step();
    scheduler.begin_step(tracker.statistics(), step);
    out << scheduler.plan(1, program, 60)->recomputed_cost << ' ';
  }
  tracker.save(out);
  scheduler.save(out);
  return out.str();
}

// One graph, trained a step under several planners, with replays verified.
std::vector<double> trained(std::uint32_t seed) {
  std::mt19937 random(seed);
  reprise_test::RandomGraph graph(random);
  std::vector<double> all;
  const auto train = [&](auto planner, bool verify) {
    const auto result =
        reprise_test::run_step_with(graph, planner, {.seed = seed, .verify_replay = verify});
    all.insert(all.end(), result.outputs.begin(), result.outputs.end());
    all.insert(all.end(), result.gradients.begin(), result.gradients.end());
  };
  train(reprise::StoreAll{}, false);
  train(reprise::RecomputeAll{}, true);
  train(reprise::Online<reprise::Lru>{}, true);
  train(reprise::LocalSearch{{.tries = 50}}, false);
  return all;
}

// A row of operations in a store that holds a few of them.
std::vector<float> stored(std::uint32_t seed) {
  using Store = reprise::OperationStore<std::vector<float>, reprise::Dtr>;
  Store store(reprise::byte_count{64});
  std::vector<Store::Handle> handles;
  handles.push_back(store.constant(std::vector<float>(2, static_cast<float>(seed))));
  for (int i = 0; i < 60; ++i) {
    handles.push_back(store.run({.cost = 1,
                                 .inputs = {handles.back()},
                                 .outputs = {{.bytes = 8}},
                                 .run = [](auto in, auto out, auto&) {
                                   out[0] = *in[0];
                                   out[0][0] += 1;
                                 }})[0]);
  }
  std::vector<float> first;
  for (const std::size_t at : {30U, 3U, 59U}) first.push_back((*store.pin(handles[at]))[0]);
  return first;
}

}  // namespace

TEST_CASE("trackers and schedulers of different threads are independent") {
  check_independent(&tracked);
}

TEST_CASE("trainings of different threads are independent") { check_independent(&trained); }

TEST_CASE("stores of different threads are independent") { check_independent(&stored); }
