// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How a `Checkpointed` runs.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <reprise/core/units.hpp>
#include <reprise/program/cost/cost_model.hpp>

namespace reprise::inline v0 {

/// How a `Checkpointed` runs. The budget is its store's.
struct CheckpointedOptions {
  std::uint64_t seed = 0;            ///< of the nodes' random streams
  std::size_t passes_in_flight = 1;  ///< how many passes may be between forward and backward
  bool input_gradients = true;       ///< whether backward hands out the graph inputs' gradients
  std::size_t max_shapes = 64;       ///< sets of input shapes remembered; those used last stay
  bool verify_replay = false;        ///< compare what is recomputed or read with its original
  CostModel cost_model{};            ///< what calls are priced by: by default seconds, as measured
  /// Asks the engine's allocator what it holds from the system now; empty for not asking.
  std::function<byte_count()> reserved_bytes{};
};

}  // namespace reprise::inline v0
