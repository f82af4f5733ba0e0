// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <random>
#include <reprise/program/cost/flops.hpp>
#include <reprise/program/lowering.hpp>
#include <reprise/program/profile.hpp>
#include <reprise/program/program.hpp>
#include <span>

#include "support/random_graph.hpp"

namespace reprise_test {

/// The program of a random graph.
inline reprise::Program random_program(std::uint32_t seed) {
  std::mt19937 random(seed);
  RandomGraph graph(random);
  Tensor input = graph.tensor(0.3);
  Tensor* const inputs[] = {&input};
  const reprise::Profile profile =
      reprise::make_profile(graph.graph, std::span<Tensor* const>(inputs), {});
  return reprise::lower(graph.graph, profile, true, reprise::Flops{}).program;
}

}  // namespace reprise_test
