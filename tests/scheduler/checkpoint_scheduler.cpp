// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <reprise/planner/budget_infeasible.hpp>
#include <reprise/planner/gradient_threshold.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/threshold/constant_threshold.hpp>
#include <reprise/threshold/hysteresis.hpp>
#include <reprise/threshold/median_threshold.hpp>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "support/planner_conformance.hpp"
#include "support/seed.hpp"

namespace {

using reprise::CheckpointScheduler;
using reprise::ReplanEvery;
using reprise::unlimited_bytes;

const std::vector<double> statistics{1.0, 3.0};

template <class Scheduler>
std::string saved(const Scheduler& scheduler) {
  std::ostringstream out;
  scheduler.save(out);
  return out.str();
}

template <class Scheduler>
void load(Scheduler& scheduler, const std::string& bytes) {
  std::istringstream in(bytes);
  scheduler.load(in);
}

auto with_hysteresis(std::uint64_t every) {
  return CheckpointScheduler{
      reprise::GradientThreshold{reprise::Hysteresis{reprise::MedianThreshold{.alpha = 1.0}, 0.4}},
      ReplanEvery{.steps = every}};
}

// ĝ of each layer before a step: a walk of its own, the same for each run; none before step 1, and
// none ever of layer 2.
std::vector<double> walk(std::uint64_t step, std::size_t layers) {
  if (step == 0) return {};
  std::mt19937 random(static_cast<std::uint32_t>(step));
  std::uniform_real_distribution<double> uniform(0.5, 2.0);
  std::vector<double> gradients(layers);
  for (double& gradient : gradients) gradient = uniform(random);
  gradients[2] = std::numeric_limits<double>::quiet_NaN();
  return gradients;
}

const reprise::GradientThreshold reads_statistics{reprise::ConstantThreshold{.tau = 2.0}};

}  // namespace

TEST_CASE("plans are made anew after the given number of steps, or never") {
  const auto program = reprise_test::chain_program(2);
  const auto plans_after = [&](ReplanEvery every, std::uint64_t steps) {
    CheckpointScheduler scheduler{reads_statistics, every};
    for (std::uint64_t step = 0; step < steps; ++step) {
      scheduler.begin_step(statistics, step);
      static_cast<void>(scheduler.plan(1, program, unlimited_bytes));
      static_cast<void>(scheduler.plan(1, program, unlimited_bytes));
    }
    return scheduler.plans_made();
  };
  CHECK(plans_after({.steps = 3}, 3) == 1);
  CHECK(plans_after({.steps = 3}, 4) == 2);
  CHECK(plans_after({.steps = 3}, 7) == 3);
  CHECK(plans_after({.steps = 0}, 50) == 1);
}

TEST_CASE("the first statistics trigger a replan, later ones wait for the next") {
  const auto program = reprise_test::chain_program(2);
  CheckpointScheduler scheduler{reprise::GradientThreshold{reprise::ConstantThreshold{.tau = 2.0}}};
  const auto cost = [&] { return scheduler.plan(1, program, unlimited_bytes)->recomputed_cost; };
  scheduler.begin_step({}, 0);
  CHECK(cost() == 0);
  scheduler.begin_step({}, 1);
  CHECK(cost() == 0);
  CHECK(scheduler.plans_made() == 1);
  scheduler.begin_step(statistics, 2);
  CHECK(cost() == 1);
  CHECK(scheduler.plans_made() == 2);
  scheduler.begin_step(std::vector<double>{3.0, 3.0}, 3);
  CHECK(cost() == 1);
  CHECK(scheduler.plans_made() == 2);
}

TEST_CASE("a plan holds for its signature until it is forgotten") {
  const auto program = reprise_test::chain_program(2);
  CheckpointScheduler scheduler{reprise::StoreAll{}};
  scheduler.begin_step({}, 0);
  const auto first = scheduler.plan(1, program, unlimited_bytes);
  CHECK(scheduler.plan(2, program, unlimited_bytes) != first);
  CHECK(scheduler.plan(1, program, unlimited_bytes) == first);
  scheduler.forget(1);
  CHECK(scheduler.plan(1, program, unlimited_bytes) != first);
  CHECK(scheduler.plans_made() == 3);
}

TEST_CASE("an override holds from the next step's plans on") {
  const auto program = reprise_test::chain_program(2);
  CheckpointScheduler scheduler{reprise::StoreAll{}};
  scheduler.begin_step({}, 0);
  CHECK(scheduler.plan(1, program, unlimited_bytes)->recomputed_cost == 0);
  scheduler.override_layer(0, reprise::LayerOverride::must_recompute);
  CHECK(scheduler.plan(1, program, unlimited_bytes)->recomputed_cost == 0);
  scheduler.begin_step({}, 1);
  CHECK(scheduler.plan(1, program, unlimited_bytes)->recomputed_cost == 1);
  scheduler.override_layer(2, reprise::LayerOverride::must_save);
  scheduler.begin_step({}, 2);
  CHECK_THROWS_AS(static_cast<void>(scheduler.plan(1, program, unlimited_bytes)),
                  reprise::InvalidArgument);
}

TEST_CASE("a step that is begun again keeps its plans and does not bring the next ones nearer") {
  const auto program = reprise_test::chain_program(2);
  CheckpointScheduler scheduler{reads_statistics, ReplanEvery{.steps = 3}};
  const auto plan_at = [&](std::uint64_t step) {
    scheduler.begin_step(statistics, step);
    return scheduler.plan(1, program, unlimited_bytes);
  };
  const auto first = plan_at(0);
  CHECK(plan_at(0) == first);
  for (int i = 0; i < 5; ++i) CHECK(plan_at(1) == first);
  CHECK(plan_at(2) == first);
  CHECK(plan_at(3) != first);
  CHECK(scheduler.plans_made() == 2);
}

TEST_CASE("statistics are wanted where a plan is due, and until there are some") {
  CheckpointScheduler scheduler{reads_statistics, ReplanEvery{.steps = 2}};
  CHECK(scheduler.wants_statistics(0));
  scheduler.begin_step({}, 0);
  CHECK(scheduler.wants_statistics(1));
  scheduler.begin_step(statistics, 1);
  CHECK_FALSE(scheduler.wants_statistics(2));
  CHECK(scheduler.wants_statistics(3));
  scheduler.override_layer(0, reprise::LayerOverride::must_recompute);
  CHECK(scheduler.wants_statistics(2));
  scheduler.freeze();
  CHECK_FALSE(scheduler.wants_statistics(3));
}

TEST_CASE("a planner that ignores statistics is asked once, until an override changes") {
  const auto program = reprise_test::chain_program(2);
  CheckpointScheduler scheduler{reprise::StoreAll{}, ReplanEvery{.steps = 1}};
  const auto plan_at = [&](std::uint64_t step) {
    CHECK_FALSE(scheduler.wants_statistics(step));
    scheduler.begin_step(step > 1 ? std::span(statistics) : std::span<const double>{}, step);
    return scheduler.plan(1, program, unlimited_bytes);
  };
  const auto first = plan_at(0);
  for (std::uint64_t step = 1; step < 5; ++step) CHECK(plan_at(step) == first);
  scheduler.override_layer(0, reprise::LayerOverride::must_recompute);
  CHECK(scheduler.plan(1, program, unlimited_bytes) == first);
  CHECK(plan_at(5)->recomputed_cost == 1);
  CHECK(scheduler.plans_made() == 2);
}

TEST_CASE("a scheduler that was loaded makes the plans of one that went on") {
  constexpr std::size_t layers = 7;
  constexpr std::uint64_t steps = 24;
  const auto program = reprise_test::chain_program(layers);
  for (const std::uint64_t cadence : {1U, 3U, 5U}) {
    for (std::uint64_t stop = 0; stop <= steps; ++stop) {
      CAPTURE(cadence);
      CAPTURE(stop);
      auto whole = with_hysteresis(cadence);
      auto before = with_hysteresis(cadence);
      auto after = with_hysteresis(cadence);
      const auto play = [&](auto& scheduler, std::uint64_t step) {
        if (step == 9) scheduler.override_layer(3, reprise::LayerOverride::must_recompute);
        scheduler.begin_step(walk(step, layers), step);
        const auto plan = scheduler.plan(1, program, unlimited_bytes);
        if (step == 13) scheduler.override_layer(4, reprise::LayerOverride::must_save);
        return plan->schedule;
      };
      for (std::uint64_t step = 0; step < steps; ++step) {
        const auto expected = play(whole, step);
        if (step < stop) {
          CHECK(play(before, step) == expected);
        } else {
          if (step == stop) load(after, saved(before));
          CHECK(play(after, step) == expected);
        }
      }
      if (stop < steps) CHECK(after.plans_made() - whole.plans_made() <= 1);
    }
  }
}

TEST_CASE("the planner's own state decides, so it is part of the saved one") {
  constexpr std::size_t layers = 7;
  const auto program = reprise_test::chain_program(layers);
  bool decided = false;
  for (std::uint64_t stop = 2; stop < 24 && !decided; ++stop) {
    auto whole = with_hysteresis(1);
    auto fresh = with_hysteresis(1);
    for (std::uint64_t step = 0; step <= stop; ++step) {
      whole.begin_step(walk(step, layers), step);
      const auto plan = whole.plan(1, program, unlimited_bytes);
      if (step < stop) continue;
      fresh.begin_step(walk(step, layers), step);
      decided = fresh.plan(1, program, unlimited_bytes)->schedule != plan->schedule;
    }
  }
  CHECK(decided);
}

TEST_CASE("scheduler state that is truncated, damaged or of another planner is refused") {
  const auto program = reprise_test::chain_program(7);
  auto source = with_hysteresis(3);
  source.override_layer(5, reprise::LayerOverride::must_save);
  source.begin_step(walk(4, 7), 4);
  static_cast<void>(source.plan(1, program, unlimited_bytes));
  const std::string good = saved(source);

  auto target = with_hysteresis(3);
  const std::string before = saved(target);
  for (std::size_t length = 0; length < good.size(); ++length) {
    REQUIRE_THROWS_AS(load(target, good.substr(0, length)), reprise::CorruptState);
    REQUIRE(saved(target) == before);
  }
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    REQUIRE_THROWS_AS(load(target, bad), reprise::CorruptState);
    REQUIRE(saved(target) == before);
  }
  CheckpointScheduler other{reprise::StoreAll{}};
  CHECK_THROWS_WITH_AS(load(other, good), "scheduler state: of another planner",
                       reprise::CorruptState);
  CHECK_THROWS_AS(load(target, saved(other)), reprise::CorruptState);
  std::istringstream in(good + "next");
  target.load(in);
  CHECK(in.get() == 'n');
  CHECK(saved(target) == good);
  target.begin_step(walk(5, 7), 5);
  CHECK_THROWS_WITH_AS(
      static_cast<void>(target.plan(1, reprise_test::chain_program(6), unlimited_bytes)),
      "scheduler state: of a model of 7 layers, this one has 6", reprise::CorruptState);
  CHECK_NOTHROW(static_cast<void>(target.plan(1, program, unlimited_bytes)));
}

TEST_CASE("a plan is made anew for another budget, and a frozen one played where it fits") {
  const auto program = reprise_test::chain_program(7);
  CheckpointScheduler scheduler{reprise::StoreAll{}};
  scheduler.begin_step({}, 0);
  const auto without = scheduler.plan(1, program, unlimited_bytes, 2);
  const reprise::byte_count peak = without->peak_bytes;
  const auto within = scheduler.plan(1, program, peak, 2);
  CHECK(within != without);
  CHECK(scheduler.plan(1, program, peak, 2) == within);
  CHECK(scheduler.plans_made() == 2);
  CHECK(scheduler.plan_count() == 1);
  CHECK_THROWS_AS(static_cast<void>(scheduler.plan(1, program, peak - 1, 2)),
                  reprise::BudgetInfeasible);
  scheduler.freeze();
  CHECK(scheduler.plan(1, program, peak + 1, 2) == within);
  CHECK(scheduler.plan(1, program, peak, 1) == within);
  CHECK_THROWS_AS(static_cast<void>(scheduler.plan(1, program, peak - 1, 2)),
                  reprise::InvalidState);
  CHECK_THROWS_AS(static_cast<void>(scheduler.plan(1, program, unlimited_bytes, 3)),
                  reprise::InvalidState);
}

TEST_CASE("frozen plans stay as they are, at their address, whatever comes") {
  const auto program = reprise_test::chain_program(7);
  auto scheduler = with_hysteresis(1);
  scheduler.begin_step(walk(1, 7), 1);
  const auto one = scheduler.plan(1, program, unlimited_bytes);
  const auto two = scheduler.plan(2, program, unlimited_bytes);
  const reprise::Schedule as_frozen = one->schedule;
  scheduler.freeze();
  CHECK(scheduler.is_frozen());
  scheduler.override_layer(3, reprise::LayerOverride::must_recompute);
  for (std::uint64_t step = 2; step < 12; ++step) {
    scheduler.begin_step(walk(step, 7), step);
    CHECK(scheduler.plan(1, program, unlimited_bytes) == one);
    CHECK(scheduler.plan(2, program, unlimited_bytes) == two);
    CHECK_THROWS_AS(static_cast<void>(scheduler.plan(3, program, unlimited_bytes)),
                    reprise::InvalidState);
  }
  CHECK(one->schedule == as_frozen);
  CHECK(scheduler.plans_made() == 2);

  SUBCASE("until they are thawed") {
    scheduler.thaw();
    CHECK(scheduler.plan(1, program, unlimited_bytes) == one);
    CHECK_NOTHROW(static_cast<void>(scheduler.plan(3, program, unlimited_bytes)));
    scheduler.begin_step(walk(12, 7), 12);
    const auto anew = scheduler.plan(1, program, unlimited_bytes);
    CHECK(anew != one);
    CHECK(anew->schedule != one->schedule);
  }
  SUBCASE("and are recomputed from what they were made of after a load") {
    auto loaded = with_hysteresis(1);
    load(loaded, saved(scheduler));
    CHECK(loaded.is_frozen());
    CHECK(saved(loaded) == saved(scheduler));
    loaded.begin_step(walk(12, 7), 12);
    const auto again = loaded.plan(1, program, unlimited_bytes);
    CHECK(again->schedule == as_frozen);
    CHECK(loaded.plan(1, program, unlimited_bytes) == again);
    CHECK_THROWS_AS(static_cast<void>(loaded.plan(3, program, unlimited_bytes)),
                    reprise::InvalidState);
  }
  SUBCASE("a plan that was forgotten is not recomputed") {
    scheduler.forget(1);
    CHECK_THROWS_AS(static_cast<void>(scheduler.plan(1, program, unlimited_bytes)),
                    reprise::InvalidState);
    CHECK(scheduler.plan(2, program, unlimited_bytes) == two);
  }
}

TEST_CASE("an override inside a step leaves new shapes of that step alone") {
  const auto program = reprise_test::chain_program(2);
  CheckpointScheduler scheduler{reprise::StoreAll{}};
  scheduler.begin_step({}, 0);
  scheduler.override_layer(0, reprise::LayerOverride::must_recompute);
  CHECK(scheduler.plan(1, program, unlimited_bytes)->recomputed_cost == 0);
  scheduler.begin_step({}, 1);
  CHECK(scheduler.plan(1, program, unlimited_bytes)->recomputed_cost == 1);
}

TEST_CASE("the plans used last are remembered, as many as it is told, and the others recomputed") {
  const auto program = reprise_test::chain_program(2);
  REPRISE_SEEDED(random);
  for (int sequence = 0; sequence < 30; ++sequence) {
    const std::size_t most = 1 + random() % 5;
    CheckpointScheduler scheduler{reprise::StoreAll{}, ReplanEvery{}, most};
    scheduler.begin_step({}, 0);
    std::vector<std::uint64_t> known;
    std::uint64_t misses = 0;
    for (int request = 0; request < 100; ++request) {
      const std::uint64_t signature = random() % 8;
      const bool was_known = std::erase(known, signature) > 0;
      if (random() % 8 == 0) {
        scheduler.forget(signature);
      } else {
        if (!was_known) ++misses;
        known.push_back(signature);
        if (known.size() > most) known.erase(known.begin());
        CHECK(scheduler.plan(signature, program, unlimited_bytes)->recomputed_cost == 0);
      }
      REQUIRE(scheduler.plans_made() == misses);
      REQUIRE(scheduler.plan_count() == known.size());
    }
  }
}

TEST_CASE("frozen plans are kept, also by a scheduler that remembers fewer") {
  const auto program = reprise_test::chain_program(2);
  const auto make = [](std::size_t most) {
    return CheckpointScheduler{reprise::StoreAll{}, ReplanEvery{.steps = 1}, most};
  };
  auto large = make(4);
  large.begin_step({}, 0);
  for (const std::uint64_t signature : {4U, 1U, 3U, 2U}) {
    static_cast<void>(large.plan(signature, program, unlimited_bytes));
  }
  large.freeze();
  auto small = make(2);
  load(small, saved(large));
  CHECK(saved(small) == saved(large));
  for (int round = 0; round < 2; ++round) {
    for (const std::uint64_t signature : {1U, 2U, 3U, 4U}) {
      CHECK_NOTHROW(static_cast<void>(small.plan(signature, program, unlimited_bytes)));
    }
  }
  CHECK(small.plans_made() - large.plans_made() == 4);
  CHECK(small.plan_count() == 4);
  small.thaw();
  small.override_layer(0, reprise::LayerOverride::none);
  small.begin_step({}, 1);
  for (const std::uint64_t signature : {1U, 2U, 3U, 4U}) {
    static_cast<void>(small.plan(signature, program, unlimited_bytes));
  }
  CHECK(small.plan_count() == 2);
}

TEST_CASE("a layer that no model has cannot be overridden, nor by what is no override") {
  CheckpointScheduler scheduler{reprise::StoreAll{}};
  const std::string before = saved(scheduler);
  for (const std::size_t layer :
       {std::size_t{1} << 24U, std::size_t{1} << 40U, std::numeric_limits<std::size_t>::max()}) {
    CAPTURE(layer);
    CHECK_THROWS_WITH_AS(scheduler.override_layer(layer, reprise::LayerOverride::must_recompute),
                         doctest::Contains("of 16777216 at most"), reprise::InvalidArgument);
  }
  CHECK_THROWS_WITH_AS(scheduler.override_layer(0, static_cast<reprise::LayerOverride>(77)),
                       "an override of layer 0 of kind 77, which does not exist",
                       reprise::InvalidArgument);
  CHECK(saved(scheduler) == before);
}
