// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a store did, for those who watch it.

#include <cstdint>
#include <reprise/core/units.hpp>

namespace reprise::inline v0 {

/// What an `OperationStore` did. Operations and values are numbered in the order in which they were
/// handed over, constants apart.
struct StoreEvent {
  /// What an event tells of.
  enum class Kind : std::uint8_t {
    run,    ///< an operation ran for the first time
    rerun,  ///< an operation ran again
    drop,   ///< a value gave its bytes back: evicted, released or no longer needed
  };

  Kind kind = Kind::run;        ///< the kind decides what `number` counts
  std::uint64_t number = 0;     ///< of the operation, or of the value that was dropped
  std::uint64_t clock = 0;      ///< the cost of all that has run, this included
  byte_count live_bytes = 0;    ///< held after it
  byte_count during_bytes = 0;  ///< held while it ran; for a drop, what is held after it
};

}  // namespace reprise::inline v0
