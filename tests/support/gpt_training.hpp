// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A small GPT in training on some device, by hand and under planners.

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <reprise/core/philox.hpp>
#include <reprise/core/units.hpp>
#include <reprise/planner/any_planner.hpp>
#include <reprise/program/cost/flops.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/scheduler/replan_every.hpp>
#include <reprise/stats/cadence.hpp>
#include <reprise/stats/ema.hpp>
#include <reprise/stats/gradient_stat_tracker.hpp>
#include <reprise/store/action_event.hpp>
#include <reprise/store/remat_store.hpp>
#include <span>
#include <utility>
#include <vector>

#include "engine/adam_w.hpp"
#include "engine/model.hpp"
#include "engine/reference_loop.hpp"
#include "planned_net.hpp"

namespace reprise_test {

/// What is trained.
struct SmallGpt {
  static constexpr std::size_t steps = 4;
  static constexpr std::size_t micro_batches = 2;
  static constexpr std::uint64_t seed = 9;

  [[nodiscard]] static gpt::ModelShape shape(float dropout) {
    return {.vocabulary = 17,
            .layers = 5,
            .channels = 16,
            .heads = 2,
            .context = 8,
            .dropout = dropout};
  }

  template <class Device>
  static void fill_batches(gpt::Model<Device>& model) {
    for (std::size_t index = 0; index < micro_batches; ++index) {
      gpt::TokenBatch<> batch;
      const reprise::Philox random(3, index);
      for (std::size_t i = 0; i < 24; ++i) {
        batch.tokens.push_back(static_cast<std::uint8_t>(random.bits(2 * i) % 17));
        batch.targets.push_back(static_cast<std::uint8_t>(random.bits(2 * i + 1) % 17));
      }
      model.batches().training.push_back(model.upload(std::move(batch)));
    }
  }
};

/// A device's elements, on the host.
template <class Device>
[[nodiscard]] std::vector<float> on_host(const Device& device, std::span<const float> elements) {
  return device.read(elements, [](std::span<const float> read) {
    return std::vector<float>(read.begin(), read.end());
  });
}

/// Losses of all passes, and all parameters at the end.
struct GptTrace {
  std::vector<float> losses{};
  std::vector<std::vector<float>> parameters{};

  template <class Device>
  void note(const gpt::Tensor<Device>& loss) {
    losses.push_back(on_host(loss.device(), std::span(loss.floats(), 1)).front());
  }
  template <class Device>
  void finish(gpt::Model<Device>& model) {
    for (const auto& entry : model.parameters().entries()) {
      parameters.push_back(on_host(model.device(), {entry.values.data(), entry.values.size()}));
    }
  }
  friend bool operator==(const GptTrace&, const GptTrace&) = default;
};

/// Trains with everything kept.
template <class Device>
[[nodiscard]] GptTrace train_by_hand(float dropout) {
  gpt::Model<Device> model(SmallGpt::shape(dropout), SmallGpt::seed);
  SmallGpt::fill_batches(model);
  gpt::AdamW<Device> optimiser(model.parameters(), {});
  gpt::ReferenceLoop loop(model.graph());
  GptTrace trace;
  for (std::uint64_t step = 0; step < SmallGpt::steps; ++step) {
    model.parameters().zero_gradients();
    for (std::uint64_t i = 0; i < SmallGpt::micro_batches; ++i) {
      trace.note(loop.forward({.seed = SmallGpt::seed, .step = step, .micro_batch = i}));
      loop.backward(model.scalar(0.5F));
    }
    optimiser.step();
  }
  trace.finish(model);
  return trace;
}

/// Holds the ledger against the allocator, before, inside and after each action.
template <class Device>
struct LedgerAgainstAllocator {
  gpt::Memory<Device>& memory;
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

/// Trains under a planner, and checks that the ledger is what the allocator says.
template <class Device>
[[nodiscard]] GptTrace train_under(reprise::AnyPlanner planner, float dropout,
                                   reprise::byte_count budget) {
  gpt::Model<Device> model(SmallGpt::shape(dropout), SmallGpt::seed);
  SmallGpt::fill_batches(model);
  gpt::AdamW<Device> optimiser(model.parameters(), {});
  reprise::GradientStatTracker tracker(model.graph(), reprise::Ema{.beta = 0.9},
                                       reprise::EveryStep{},
                                       gpt::statistics_backend(model.device()));
  reprise::CheckpointScheduler scheduler(std::move(planner), reprise::ReplanEvery{.steps = 2});
  LedgerAgainstAllocator<Device> check{model.memory()};
  reprise::RematStore store{
      {.budget = budget,
       .observer = [&check](const reprise::ActionEvent& event) { check(event); }}};
  reprise::Checkpointed net{
      model.graph(),
      tracker,
      scheduler,
      store,
      {.seed = SmallGpt::seed, .verify_replay = true, .cost_model = reprise::Flops{}}};
  GptTrace trace;
  for (std::uint64_t step = 0; step < SmallGpt::steps; ++step) {
    net.begin_step();
    model.parameters().zero_gradients();
    for (std::uint64_t i = 0; i < SmallGpt::micro_batches; ++i) {
      auto pass = net.forward();
      trace.note(pass.output());
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
  CHECK(check.actions > 2 * SmallGpt::steps * SmallGpt::micro_batches * model.graph().size());
  trace.finish(model);
  return trace;
}

}  // namespace reprise_test
