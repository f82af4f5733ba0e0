// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What happens while a known program runs under an online policy.

#include <cstdint>
#include <functional>
#include <reprise/core/units.hpp>

namespace reprise::inline v0 {

/// What happened in an online run, in terms of its program.
struct OnlineEvent {
  /// What an event tells of.
  enum class Kind : std::uint8_t {
    run,    ///< an operation ran for the first time
    rerun,  ///< an operation ran again
    drop,   ///< a value gave its bytes back: evicted, released or no longer needed
  };

  Kind kind = Kind::run;        ///< the kind decides what `index` counts
  std::uint32_t index = 0;      ///< an operation, or the value that was dropped
  double clock = 0;             ///< the cost of all that has run, in the program's unit
  byte_count live_bytes = 0;    ///< held after it, by this run alone
  byte_count during_bytes = 0;  ///< held while it ran, by this run alone

  [[nodiscard]] friend bool operator==(const OnlineEvent&, const OnlineEvent&) = default;
};

/// Called with each event of an online run.
using OnlineObserver = std::function<void(const OnlineEvent&)>;

}  // namespace reprise::inline v0
