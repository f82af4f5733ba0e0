// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The concept of an online eviction policy.

#include <concepts>
#include <reprise/eviction/candidate.hpp>
#include <reprise/eviction/neighbourhood.hpp>
#include <reprise/eviction/score.hpp>

namespace reprise::inline v0 {

/// What a policy's `score` returns.
template <class S>
concept EvictionScore =
    std::same_as<S, FixedScore> || std::same_as<S, AgeingScore> || std::same_as<S, double>;

/// A struct with a score: the candidate with the lowest goes.
///
/// `score(candidate)` returns `FixedScore` or `AgeingScore`, whose victims are found without a
/// scan, or a `double`, which is opaque and scanned. Semantics: deterministic, a function of what
/// the candidate answers only; a `FixedScore` or `AgeingScore` does not ask for the clock. A policy
/// that has a static member `neighbourhood` says which evicted values its score looks at; without
/// one it may ask for ancestors and descendants.
template <class P>
concept EvictionPolicy = std::copyable<P> && requires(const P& policy, const Candidate& candidate) {
  { policy.score(candidate) } -> EvictionScore;
};

/// The neighbourhood that a policy looks at.
template <EvictionPolicy P>
[[nodiscard]] constexpr Neighbourhood neighbourhood_of() noexcept {
  if constexpr (requires { P::neighbourhood; }) {
    return P::neighbourhood;
  } else {
    return Neighbourhood::exact;
  }
}

}  // namespace reprise::inline v0
