// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <reprise/core/error.hpp>
#include <reprise/planner/planner.hpp>

#include "support/chain_program.hpp"
#include "support/planner_conformance.hpp"
#include "support/random_chain.hpp"
#include "support/random_program.hpp"
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

}  // namespace reprise_test
