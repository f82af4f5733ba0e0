// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// From a profile to what is remembered of its input shapes.

#include <cstdint>
#include <reprise/core/hash.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/program/cost/cost_model.hpp>
#include <reprise/program/lowering.hpp>
#include <reprise/program/profile.hpp>
#include <reprise/program/program_structure.hpp>
#include <reprise/run/lowered_shape.hpp>
#include <utility>

namespace reprise::inline v0 {

/// The program of a graph that was checked before, for one set of input shapes.
/// @throws InvalidArgument as `check_profile` and `price_nodes`
template <LayerGraph G>
[[nodiscard]] LoweredShape lower_shape(const G& graph, std::uint64_t signature, Profile profile,
                                       bool has_input_gradients, const CostModel& costs) {
  LoweredGraph lowered = lowering::Lowering<G>(graph, profile, has_input_gradients, costs).run();
  const std::uint64_t plan_number = hash_combine(signature, program_structure(lowered.program));
  return {.signature = signature,
          .plan_number = plan_number,
          .profile = std::move(profile),
          .lowered = std::move(lowered),
          .has_input_gradients = has_input_gradients,
          .cost_model = costs};
}

}  // namespace reprise::inline v0
