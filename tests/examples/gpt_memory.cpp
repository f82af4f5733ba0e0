// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// The GPT under every policy: the bits of the hand-written loop, and a ledger that is the
// allocator.

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <reprise/core/error.hpp>
#include <reprise/core/philox.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/stats/gradient_stat_tracker.hpp>
#include <string>
#include <utility>
#include <vector>

#include "engine/adam_w.hpp"
#include "engine/model.hpp"
#include "engine/reference_loop.hpp"
#include "engine/threads.hpp"
#include "policy.hpp"

namespace {

constexpr std::size_t steps = 4;
constexpr std::size_t micro_batches = 2;
constexpr std::uint64_t seed = 9;

gpt::ModelShape shape_with(float dropout) {
  return {
      .vocabulary = 17, .layers = 5, .channels = 16, .heads = 2, .context = 8, .dropout = dropout};
}

void fill_batches(gpt::Batches& batches) {
  for (std::size_t index = 0; index < micro_batches; ++index) {
    gpt::TokenBatch& batch = batches.training.emplace_back();
    const reprise::Philox random(3, index);
    for (std::size_t i = 0; i < 24; ++i) {
      batch.tokens.push_back(static_cast<std::uint8_t>(random.bits(2 * i) % 17));
      batch.targets.push_back(static_cast<std::uint8_t>(random.bits(2 * i + 1) % 17));
    }
  }
}

// Losses of all passes, and all parameters at the end.
struct Trace {
  std::vector<float> losses;
  std::vector<std::vector<float>> parameters;

  void finish(const gpt::Model& model) {
    for (const auto& entry : model.parameters().entries()) parameters.push_back(entry.values);
  }
  friend bool operator==(const Trace&, const Trace&) = default;
};

Trace train_by_hand(float dropout) {
  gpt::Model model(shape_with(dropout), seed);
  fill_batches(model.batches());
  gpt::AdamW optimiser(model.parameters(), {});
  gpt::ReferenceLoop loop(model.graph());
  Trace trace;
  for (std::uint64_t step = 0; step < steps; ++step) {
    model.parameters().zero_gradients();
    for (std::uint64_t i = 0; i < micro_batches; ++i) {
      trace.losses.push_back(*loop.forward({.seed = seed, .step = step, .micro_batch = i}).data());
      loop.backward(model.scalar(0.5F));
    }
    optimiser.step();
  }
  trace.finish(model);
  return trace;
}

// Holds the ledger against the allocator, before, inside and after each action.
struct LedgerCheck {
  gpt::Memory& memory;
  std::uint64_t expected_peak = 0;
  std::size_t actions = 0;

  void operator()(const reprise::ActionEvent& event) {
    if (event.moment == reprise::ActionEvent::Moment::before) {
      expected_peak = event.during_bytes;
      memory.reset_peak();
      return;
    }
    ++actions;
    REQUIRE(memory.live_bytes() == event.live_bytes);
    REQUIRE(memory.peak_bytes() == expected_peak);
  }
};

template <class Planner>
Trace train_with(Planner planner, float dropout, reprise::byte_count budget) {
  gpt::Model model(shape_with(dropout), seed);
  fill_batches(model.batches());
  gpt::AdamW optimiser(model.parameters(), {});
  reprise::GradientStatTracker tracker(model.graph(), reprise::Ema{.beta = 0.9});
  reprise::CheckpointScheduler scheduler(std::move(planner), reprise::ReplanEvery{.steps = 2});
  LedgerCheck check{model.memory()};
  reprise::Checkpointed net(
      model.graph(), tracker, scheduler,
      reprise::CheckpointedOptions{
          .budget = budget,
          .seed = seed,
          .verify_replay = true,
          .observer = [&check](const reprise::ActionEvent& event) { check(event); }});
  Trace trace;
  for (std::uint64_t step = 0; step < steps; ++step) {
    net.begin_step();
    model.parameters().zero_gradients();
    for (std::uint64_t i = 0; i < micro_batches; ++i) {
      auto pass = net.forward();
      trace.losses.push_back(*pass.output().data());
      net.backward(std::move(pass), model.scalar(0.5F));
    }
    net.end_step();
    optimiser.step();
    const reprise::RunReport report = net.report();
    CHECK(report.peak_bytes == report.predicted_peak_bytes);
    CHECK(report.peak_bytes <= budget);
    CHECK(report.cost_is_flops);
  }
  CHECK(model.memory().live_bytes() == 0);
  CHECK(check.actions > 2 * steps * micro_batches * model.graph().size());
  trace.finish(model);
  return trace;
}

template <class Planner>
reprise::byte_count smallest_budget(Planner planner, float dropout) {
  try {
    static_cast<void>(train_with(std::move(planner), dropout, 1));
  } catch (const reprise::BudgetInfeasible& refusal) {
    return refusal.planner_bytes();
  }
  return 0;
}

}  // namespace

TEST_CASE("every policy trains with the bits of the hand-written loop, ledger = allocator") {
  gpt::set_threads(1);
  for (const float dropout : {0.0F, 0.2F}) {
    const Trace expected = train_by_hand(dropout);
    for (std::size_t i = 0; i < gpt::policy_names.size(); ++i) {
      const auto policy = static_cast<gpt::Policy>(i);
      const std::string name(name_of(policy));
      CAPTURE(name);
      CAPTURE(dropout);
      gpt::with_planner(policy, 1.0, [&](auto planner) {
        CHECK(train_with(planner, dropout, reprise::unlimited_bytes) == expected);
      });
    }
  }
}

TEST_CASE("a policy trains with the smallest budget that it names") {
  gpt::set_threads(1);
  constexpr float dropout = 0.1F;
  const Trace expected = train_by_hand(dropout);
  for (const auto policy :
       {gpt::Policy::store_all, gpt::Policy::recompute_all, gpt::Policy::square_root}) {
    const std::string name(name_of(policy));
    CAPTURE(name);
    gpt::with_planner(policy, 1.0, [&](auto planner) {
      const reprise::byte_count smallest = smallest_budget(planner, dropout);
      REQUIRE(smallest > 0);
      CHECK(train_with(planner, dropout, smallest) == expected);
      CHECK_THROWS_AS(train_with(planner, dropout, smallest - 1), reprise::BudgetInfeasible);
    });
  }
}

TEST_CASE("whichever allocation fails, nothing leaks and the step can be tried again") {
  gpt::set_threads(1);
  // Two steps; in the second one allocation number `failing` fails, and the step is tried again.
  const auto train = [](std::uint64_t failing, bool& has_failed) {
    gpt::ModelShape shape = shape_with(0.2F);
    shape.layers = 2;
    gpt::Model model(shape, seed);
    fill_batches(model.batches());
    gpt::AdamW optimiser(model.parameters(), {});
    reprise::GradientStatTracker tracker(model.graph());
    reprise::CheckpointScheduler scheduler(reprise::RecomputeAll{});
    reprise::Checkpointed net(model.graph(), tracker, scheduler,
                              reprise::CheckpointedOptions{.seed = seed});
    Trace trace;
    const auto step = [&] {
      std::vector<float> losses;
      model.parameters().zero_gradients();
      net.begin_step();
      for (std::uint64_t i = 0; i < micro_batches; ++i) {
        auto pass = net.forward();
        losses.push_back(*pass.output().data());
        net.backward(std::move(pass), model.scalar(0.5F));
      }
      net.end_step();
      optimiser.step();
      trace.losses.insert(trace.losses.end(), losses.begin(), losses.end());
    };
    step();
    model.memory().fail_allocation(model.memory().allocations() + failing);
    try {
      step();
    } catch (const std::bad_alloc&) {
      has_failed = true;
      CHECK(model.memory().live_bytes() == 0);
      CHECK(tracker.steps() == 1);
      CHECK(optimiser.steps() == 1);
      step();
    }
    trace.finish(model);
    return trace;
  };
  bool has_failed = false;
  const Trace expected = train(std::uint64_t{1} << 40U, has_failed);
  REQUIRE(!has_failed);
  std::uint64_t failing = 0;
  do {
    CAPTURE(failing);
    has_failed = false;
    REQUIRE(train(failing, has_failed) == expected);
    ++failing;
  } while (has_failed);
  CHECK(failing > 100);
}

TEST_CASE("inference leaves nothing behind and drops nothing") {
  gpt::set_threads(1);
  gpt::Model model(shape_with(0.5F), seed);
  fill_batches(model.batches());
  model.batches().evaluation = model.batches().training.front();
  reprise::GradientStatTracker tracker(model.graph());
  reprise::CheckpointScheduler scheduler(reprise::StoreAll{});
  reprise::Checkpointed net(model.graph(), tracker, scheduler);
  gpt::Model plain(shape_with(0), seed);
  fill_batches(plain.batches());
  gpt::ReferenceLoop loop(plain.graph());
  const float expected = *loop.forward({}).data();
  CHECK(*net.infer().front().data() == expected);
  CHECK(model.memory().live_bytes() == 0);
}
