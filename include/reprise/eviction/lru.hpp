// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Evicts what was read longest ago.

#include <reprise/eviction/eviction_policy.hpp>

namespace reprise::inline v0 {

/// Evicts what was read longest ago, whatever it takes or costs.
///
/// Choose it as a baseline.
struct Lru {
  /// What the score asks of the values around: nothing.
  static constexpr Neighbourhood neighbourhood = Neighbourhood::none;

  /// The clock of the last read, of which the lowest goes.
  [[nodiscard]] FixedScore score(const Candidate& candidate) const {
    return {.numerator = candidate.last_access(), .denominator = 1};
  }
};

static_assert(EvictionPolicy<Lru>);

}  // namespace reprise::inline v0
