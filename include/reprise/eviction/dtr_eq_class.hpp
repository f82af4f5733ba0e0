// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// DTR with a neighbourhood that is cheap to keep.

#include <reprise/eviction/eviction_policy.hpp>

namespace reprise::inline v0 {

/// `Dtr` with the evicted neighbourhood approximated by classes that are joined at each eviction
/// and never split (union-find).
///
/// Choose it for DTR's behaviour on large programs. Source: arXiv:2006.09616, h_DTR^eq.
struct DtrEqClass {
  /// What the score asks of the values around: the classes of its evicted neighbours.
  static constexpr Neighbourhood neighbourhood = Neighbourhood::classes;

  /// The formula above, its staleness left to the clock; the lowest goes.
  [[nodiscard]] AgeingScore score(const Candidate& candidate) const {
    return {.numerator = candidate.cost() + candidate.evicted_classes(),
            .weight = candidate.bytes(),
            .since = candidate.last_access()};
  }
};

static_assert(EvictionPolicy<DtrEqClass>);

}  // namespace reprise::inline v0
