// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// DTR without a neighbourhood.

#include <reprise/eviction/eviction_policy.hpp>

namespace reprise::inline v0 {

/// `Dtr` that looks at the value alone: cost / (bytes · staleness).
///
/// Choose it where an eviction must cost next to nothing. Source: arXiv:2006.09616, h_DTR^local.
struct DtrLocal {
  /// What the score asks of the values around: nothing.
  static constexpr Neighbourhood neighbourhood = Neighbourhood::none;

  /// The formula above, its staleness left to the clock; the lowest goes.
  [[nodiscard]] AgeingScore score(const Candidate& candidate) const {
    return {.numerator = candidate.cost(),
            .weight = candidate.bytes(),
            .since = candidate.last_access()};
  }
};

static_assert(EvictionPolicy<DtrLocal>);

}  // namespace reprise::inline v0
