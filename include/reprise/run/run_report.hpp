// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a run did.

#include <cstdint>
#include <reprise/codec/exactness.hpp>
#include <reprise/core/units.hpp>
#include <vector>

namespace reprise::inline v0 {

/// Counts of a `Checkpointed` since its last `begin_step`.
struct RunReport {
  byte_count peak_bytes = 0;       ///< the most that was live on the store, inside operations too
  byte_count peak_host_bytes = 0;  ///< the most that the store's forms took of the host's memory
  byte_count moved_bytes = 0;      ///< offloaded and fetched
  /// What the gradients of all passes are, beside those without forms.
  Exactness exactness = Exactness::exact;
  byte_count predicted_peak_bytes = 0;  ///< the largest of the plans that ran; 0 without a plan
  byte_count profile_bytes = 0;         ///< the most that a measuring forward held
  /// The most that the engine's allocator held from the system, its rounding and pool included, at
  /// the end of a node's forward or backward; 0 unless the options say how to ask it.
  byte_count reserved_bytes = 0;
  double forward_cost = 0;     ///< of first runs, in the program's unit, priced as further ones
  double recomputed_cost = 0;  ///< of all further runs
  /// Of the passes that were begun, had they recomputed nothing: forwards and backwards, not the
  /// loss or the optimiser.
  double store_all_cost = 0;
  /// No exact plans recompute for less; 0 where the planner proves nothing.
  double lower_bound_cost = 0;
  double forward_flops = 0;     ///< of first runs, as far as nodes declare them, whatever the unit
  double recomputed_flops = 0;  ///< of all further runs, likewise
  bool cost_is_flops = false;   ///< the unit of all costs: FLOPs or seconds
  double plan_seconds = 0;      ///< that making plans took, by the clock
  std::uint64_t passes = 0;     ///< begun, inference apart
  std::uint64_t evictions = 0;  ///< of values, by an online policy, to make room
  std::vector<std::uint32_t> recomputes_per_layer{};  ///< runs after an operation's first
  std::vector<double> recomputed_cost_per_layer{};    ///< in the program's unit
};

}  // namespace reprise::inline v0
