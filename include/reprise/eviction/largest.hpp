// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Evicts the largest value.

#include <reprise/eviction/eviction_policy.hpp>

namespace reprise::inline v0 {

/// Evicts the largest value, the one that joined latest among equals.
///
/// Choose it as a baseline, or where evictions themselves are expensive.
struct Largest {
  /// What the score asks of the values around: nothing.
  static constexpr Neighbourhood neighbourhood = Neighbourhood::none;

  /// 1 / bytes, of which the lowest goes.
  [[nodiscard]] FixedScore score(const Candidate& candidate) const {
    return {.numerator = 1, .denominator = candidate.bytes()};
  }
};

static_assert(EvictionPolicy<Largest>);

}  // namespace reprise::inline v0
