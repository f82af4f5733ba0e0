// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a planner is asked and what it answers.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/planner/layer_override.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <span>
#include <string>
#include <vector>

namespace reprise::inline v0 {

/// What a planner plans for.
struct PlanRequest {
  const Program& program;               ///< must outlive the request
  byte_count budget = unlimited_bytes;  ///< of all passes in flight together, in bytes
  /// ĝ of each layer, NaN for a layer that has none; empty until the first statistics exist.
  std::span<const double> gradients{};
  std::uint64_t step = 0;  ///< optimiser steps begun before this one
  /// By layer; those beyond the list have none.
  std::span<const LayerOverride> overrides{};
  std::size_t passes_in_flight = 1;  ///< alive together, see `peak_in_flight`
  RecomputedLifetime recomputed_lifetime =
      RecomputedLifetime::until_last_read;  ///< how long recomputed values stay
};

/// Refuses a layer that must be recomputed of which a part must never run again.
/// @throws InvalidArgument if there is one.
inline void check_forced(const PlanRequest& request) {
  const auto is_forced = [&](std::uint32_t layer) {
    return override_of(request.overrides, layer) == LayerOverride::must_recompute;
  };
  for (operation_id op = 0; op < request.program.loss() && !request.overrides.empty(); ++op) {
    const Operation& o = request.program.operations()[op];
    if (o.repeatable || !is_forced(o.layer)) continue;
    throw InvalidArgument("layer " + std::to_string(o.layer) + " must be recomputed, and the " +
                          request.program.describe_operation(op) + " in it cannot run again");
  }
}

/// Refuses more overrides than there are layers, and words that are none.
/// @throws InvalidArgument for either.
inline void check_overrides(const PlanRequest& request) {
  const std::size_t layers = request.program.layer_count();
  if (request.overrides.size() > layers) {
    throw InvalidArgument("overrides of " + std::to_string(request.overrides.size()) +
                          " layers for a program of " + std::to_string(layers) + " layers");
  }
  for (std::size_t layer = 0; layer < request.overrides.size(); ++layer) {
    check_override_kind(layer, request.overrides[layer]);
  }
}

/// Refuses what no planner can be asked. Linear in the operations where there are overrides.
/// @throws InvalidArgument for no pass in flight, for an override of a layer that does not exist,
///   for a word or a `recompute` that does not exist and for a layer that must be recomputed with
///   an operation that cannot run again; where the program has no loss operation, for several
///   passes and for a forced layer too.
inline void check_request(const PlanRequest& request) {
  if (request.passes_in_flight == 0) {
    throw InvalidArgument("a plan for 0 passes in flight, at least 1 is due");
  }
  if (request.recomputed_lifetime > RecomputedLifetime::one_backward) {
    throw InvalidArgument("a plan that recomputes by rule " +
                          std::to_string(static_cast<unsigned>(request.recomputed_lifetime)) +
                          ", which does not exist");
  }
  check_overrides(request);
  if (request.program.has_loss()) return check_forced(request);
  if (request.passes_in_flight > 1) {
    throw InvalidArgument("a program without a loss operation has no moment at which " +
                          std::to_string(request.passes_in_flight) + " passes could be in flight");
  }
  const auto must_recompute = std::ranges::find(request.overrides, LayerOverride::must_recompute);
  if (must_recompute != request.overrides.end()) {
    throw InvalidArgument("layer " + std::to_string(must_recompute - request.overrides.begin()) +
                          " must be recomputed in a program without a loss operation");
  }
}

/// A schedule and its prediction.
struct Plan {
  Schedule schedule{};               ///< valid for the request's program, see `simulate`
  byte_count peak_bytes = 0;         ///< of all passes in flight together
  byte_count boundary_bytes = 0;     ///< of one pass between forward and backward
  byte_count lower_bound_bytes = 0;  ///< no plan of any planner needs less
  double recomputed_cost = 0;        ///< in the program's unit of cost
  /// No exact plan recomputes for less that runs what cannot be repeated, and the operation at
  /// which most is live, where the program has them: before all later ones. 0 where nothing is
  /// proven.
  double lower_bound_cost = 0;
  std::size_t dropped = 0;  ///< what the rule would have kept and the budget took
};

/// The peak of k passes under one account: one runs while the others are at rest.
/// @throws InvalidArgument if that is more than 64 bits count
[[nodiscard]] inline byte_count peak_in_flight(byte_count peak, byte_count rest,
                                               std::size_t passes) {
  if (passes <= 1 || rest == 0) return peak;
  const std::size_t others = passes - 1;
  if (others > (unlimited_bytes - peak) / rest) {
    throw InvalidArgument(std::to_string(others) + " passes at rest of " + std::to_string(rest) +
                          " bytes each and one of " + std::to_string(peak) +
                          " bytes are more than 64 bits count");
  }
  return peak + others * rest;
}

}  // namespace reprise::inline v0
