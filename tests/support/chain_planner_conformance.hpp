// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <reprise/core/error.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/planner/store_all.hpp>

#include "support/chain_program.hpp"
#include "support/planner_conformance.hpp"
#include "support/random_chain.hpp"
#include "support/random_program.hpp"
#include "support/random_step.hpp"
#include "support/seed.hpp"

namespace reprise_test {

/// Holds a planner of chains to the concept's semantics, on chains; others it refuses.
template <reprise::Planner P>
void check_chain_planner(const P& planner) {
  check_overrides(planner);
  REPRISE_SEEDED(random);
  for (const std::size_t passes : {1U, 3U}) {
    for (std::uint32_t layers = 1; layers < 12; ++layers) {
      CAPTURE(layers);
      const reprise::Program program = chain_program(layers);
      check_planner_on(planner, {.program = program, .passes_in_flight = passes});
    }
    for (int trial = 0; trial < 60; ++trial) {
      CAPTURE(trial);
      const auto layers = static_cast<std::uint32_t>(1 + random() % 9);
      const RandomChainProgram chain(
          random,
          {.layers = layers, .unit = 1 + random() % 5, .reads_output_alone = trial % 2 == 0});
      check_planner_on(planner, {.program = chain.program(), .passes_in_flight = passes});
      const reprise::Program program = RandomLayers(random, layers).program();
      check_planner_on(planner, {.program = program, .passes_in_flight = passes});
    }
  }
  std::size_t refused = 0;
  for (std::uint32_t seed = 0; seed < 50; ++seed) {
    const reprise::Program program = random_program(seed);
    P fresh = planner;
    const reprise::PlanRequest request{.program = program};
    try {
      check_plan(request, fresh(request));
    } catch (const reprise::NotAChain&) {
      ++refused;
    }
  }
  CHECK(refused > 10);
}

/// Trains random layers at budgets from the smallest to store-all's: the same bits, and within the
/// budget by the allocator's count.
template <reprise::Planner P>
void check_chain_training(const P& planner) {
  REPRISE_SEEDED(random);
  for (int trial = 0; trial < 40; ++trial) {
    CAPTURE(trial);
    RandomLayers layers(random, 1 + random() % 8);
    const auto seed = random();
    const StepResult expected = run_step_with(layers, reprise::StoreAll{}, {.seed = seed});
    const reprise::Program program = layers.program();
    const reprise::byte_count all =
        reprise::StoreAll{}(reprise::PlanRequest{.program = program}).peak_bytes;
    reprise::byte_count smallest = 0;
    try {
      static_cast<void>(run_step_with(layers, planner, {.budget = 1, .seed = seed}));
      FAIL("a budget of one byte was accepted");
    } catch (const reprise::BudgetInfeasible& refused) {
      smallest = refused.planner_bytes();
    }
    CHECK_THROWS_AS(
        static_cast<void>(run_step_with(layers, planner, {.budget = smallest - 1, .seed = seed})),
        reprise::BudgetInfeasible);
    const reprise::byte_count most = std::max(all, smallest);
    for (reprise::byte_count part = 0; part < 4; ++part) {
      CAPTURE(part);
      const reprise::byte_count budget = smallest + (most - smallest) * part / 3;
      CountingMemory& memory = layers.world->memory;
      reprise::byte_count peak = 0;
      const auto note = [&](const reprise::ActionEvent&) {
        peak = std::max<reprise::byte_count>(peak, memory.peak);
      };
      memory.peak = memory.live;
      reprise::CheckpointedOptions options{
          .budget = budget, .seed = seed, .verify_replay = part == 0};
      options.observer = note;
      CHECK(run_step_with(layers, planner, options) == expected);
      CHECK(memory.live == 0);
      CHECK(peak <= budget + layers.width * sizeof(double));
    }
  }
}

}  // namespace reprise_test
