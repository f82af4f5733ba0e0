// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Evicts what frees most bytes for the recomputation that it causes.

#include <reprise/eviction/eviction_policy.hpp>

namespace reprise::inline v0 {

/// Evicts what frees most bytes for the recomputation that it causes: (cost + cost of the evicted
/// ancestors) / bytes, however recently it was read.
///
/// Source: Peng et al., Capuchin, ASPLOS 2020 (memory saving per second), in the form of
/// arXiv:2006.09616.
struct Msps {
  /// What the score asks of the values around: its evicted ancestors.
  static constexpr Neighbourhood neighbourhood = Neighbourhood::ancestors;

  /// The formula above, cost over bytes; the lowest goes.
  [[nodiscard]] FixedScore score(const Candidate& candidate) const {
    return {.numerator = candidate.cost() + candidate.evicted_ancestors(),
            .denominator = candidate.bytes()};
  }
};

static_assert(EvictionPolicy<Msps>);

}  // namespace reprise::inline v0
