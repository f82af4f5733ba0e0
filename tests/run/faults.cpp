// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Whatever fails in a training step, it has not been: as SQLite tests it, each allocation and each
// call of a node fails once.

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <optional>
#include <random>
#include <reprise/reprise.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/keep_random.hpp"
#include "support/random_graph.hpp"
#include "support/random_step.hpp"

namespace {

using reprise_test::RandomGraph;
using reprise_test::StepResult;
using reprise_test::World;

constexpr std::uint64_t steps = 3;

enum class FaultKind { allocation, call };

/// The event with this number, counted from 0 in its step, fails.
struct Fault {
  FaultKind kind;
  std::uint64_t step;
  std::uint64_t number;
};

void arm(World& world, const Fault& fault) {
  if (fault.kind == FaultKind::allocation) {
    world.memory.fails_at = world.memory.allocations + fault.number;
  } else {
    world.calls = 0;
    world.throws_at = fault.number;
  }
}

void disarm(World& world) {
  world.memory.fails_at.reset();
  world.throws_at.reset();
}

template <class Tracker>
std::string state_of(const Tracker& tracker) {
  std::ostringstream state;
  tracker.save(state);
  return state.str();
}

struct Trace {
  std::vector<StepResult> steps;
  std::string statistics;
  bool has_failed = false;
};

/// Trains a random graph; a step that fails is checked to have left nothing and is tried again.
template <class P>
Trace train(std::uint32_t seed, P planner, const std::optional<Fault>& fault) {
  std::mt19937 random(seed);
  RandomGraph random_graph(random);
  World& world = *random_graph.world;
  reprise::GradientStatTracker tracker(random_graph.graph, reprise::Ema{.beta = 0.9});
  reprise::CheckpointScheduler scheduler(std::move(planner));
  reprise::RematStore store;
  reprise::Checkpointed net{random_graph.graph, tracker, scheduler, store, {.seed = seed}};
  const auto input = random_graph.tensor(0.3);
  const std::uint64_t outside = world.memory.live;
  Trace trace;
  for (std::uint64_t step = 0; step < steps; ++step) {
    const std::string before = state_of(tracker);
    if (fault && fault->step == step) arm(world, *fault);
    try {
      trace.steps.push_back(reprise_test::run_step(random_graph, net, input));
      disarm(world);
    } catch (const std::exception& failure) {
      disarm(world);
      trace.has_failed = true;
      REQUIRE((dynamic_cast<const std::bad_alloc*>(&failure) != nullptr) ==
              (fault->kind == FaultKind::allocation));
      REQUIRE(world.memory.live == outside);
      REQUIRE(net.live_bytes() == 0);
      REQUIRE(net.step() == step);
      REQUIRE(tracker.steps() == step);
      REQUIRE(state_of(tracker) == before);
      trace.steps.push_back(reprise_test::run_step(random_graph, net, input));
    }
    REQUIRE(tracker.steps() == step + 1);
  }
  trace.statistics = state_of(tracker);
  return trace;
}

/// Lets each event of a kind fail in each step; returns how many did.
template <class P>
std::size_t check_all_faults(std::uint32_t seed, FaultKind kind, const P& planner) {
  const Trace expected = train(seed, planner, std::nullopt);
  REQUIRE(!expected.has_failed);
  std::size_t failures = 0;
  for (std::uint64_t step = 0; step < steps; ++step) {
    for (std::uint64_t number = 0;; ++number) {
      CAPTURE(step);
      CAPTURE(number);
      const Trace trace = train(seed, planner, Fault{.kind = kind, .step = step, .number = number});
      REQUIRE(trace.steps == expected.steps);
      REQUIRE(trace.statistics == expected.statistics);
      if (!trace.has_failed) break;
      ++failures;
    }
  }
  return failures;
}

void check_kind(FaultKind kind) {
  for (std::uint32_t seed = 0; seed < 24; ++seed) {
    CAPTURE(seed);
    std::size_t failures = 0;
    switch (seed % 3) {
      case 0:
        failures = check_all_faults(seed, kind, reprise::RecomputeAll{});
        break;
      case 1:
        failures = check_all_faults(
            seed, kind, reprise::GradientThreshold{reprise::MedianThreshold{.alpha = 1.0}});
        break;
      default:
        std::mt19937 random(seed);
        failures = check_all_faults(seed, kind, reprise_test::KeepRandom{&random});
    }
    CHECK(failures >= 2 * steps);
  }
}

}  // namespace

TEST_CASE("whichever allocation fails, nothing is left and the step can be tried again") {
  check_kind(FaultKind::allocation);
}

TEST_CASE("whichever call of a node throws, nothing is left and the step can be tried again") {
  check_kind(FaultKind::call);
}
