// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Evicts what is cheap to recompute, large and stale; recomputing counts all that has gone around
/// it.

#include <reprise/eviction/eviction_policy.hpp>

namespace reprise::inline v0 {

/// Evicts what is cheap to recompute, large and stale: (cost + cost of the exact evicted
/// neighbourhood) / (bytes · staleness).
///
/// Choose it for the least recomputation of the online policies where programs are small; each
/// eviction walks the evicted neighbourhood. Source: Kirisame et al., Dynamic Tensor
/// Rematerialization, ICLR 2021 (arXiv:2006.09616), h_DTR.
struct Dtr {
  /// What the score asks of the values around: ancestors and descendants, as far as they are
  /// followed.
  static constexpr Neighbourhood neighbourhood = Neighbourhood::exact;

  /// The formula above, its staleness left to the clock; the lowest goes.
  [[nodiscard]] AgeingScore score(const Candidate& candidate) const {
    return {.numerator =
                candidate.cost() + candidate.evicted_ancestors() + candidate.evicted_descendants(),
            .weight = candidate.bytes(),
            .since = candidate.last_access()};
  }
};

static_assert(EvictionPolicy<Dtr>);

}  // namespace reprise::inline v0
