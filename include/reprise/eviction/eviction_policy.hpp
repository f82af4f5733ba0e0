// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The concept of an online eviction policy.

#include <concepts>
#include <reprise/eviction/candidate.hpp>
#include <reprise/eviction/neighbourhood.hpp>
#include <reprise/eviction/score.hpp>
#include <type_traits>

namespace reprise::inline v0 {

/// What a policy's `score` returns.
template <class S>
concept EvictionScore =
    std::same_as<S, FixedScore> || std::same_as<S, AgeingScore> || std::same_as<S, double>;

/// Scores what could be evicted.
template <class P>
concept ScoresCandidates = requires(const P& policy, const Candidate& candidate) {
  { policy.score(candidate) } -> EvictionScore;
};

/// A policy with a member `neighbourhood`.
template <class P>
concept NamesNeighbourhood = requires {
  P::neighbourhood;
};

/// A policy whose member `neighbourhood` is a static constant of that type.
template <class P>
concept HasConstantNeighbourhood = NamesNeighbourhood<P> && requires {
  requires std::same_as<std::remove_cvref_t<decltype(P::neighbourhood)>, Neighbourhood>;
  typename std::integral_constant<Neighbourhood, P::neighbourhood>;
};

/// A struct with a score: of the values that may be evicted, the one with the lowest goes.
///
/// `score(candidate)` returns `FixedScore` or `AgeingScore`, whose victims are found in O(log n),
/// or a `double`, which is opaque: all n are scanned. A static constant `neighbourhood` says which
/// evicted values the score looks at; without one it may ask for ancestors and descendants.
///
/// What no compiler checks:
/// - the score depends on what the candidate answers alone, and a copy gives the same;
/// - it asks for no more evicted values than the neighbourhood has: the others count as 0;
/// - a `FixedScore` or `AgeingScore` does not ask for the clock: it is kept until the candidate's
///   cost, last access or neighbourhood changes. An `AgeingScore` ages from a clock that has been,
///   `last_access` say;
/// - a `double` is not NaN; it is asked for again at each choice.
template <class P>
concept EvictionPolicy = std::copyable<P> && ScoresCandidates<P> &&
    (!NamesNeighbourhood<P> || HasConstantNeighbourhood<P>);

/// The neighbourhood that a policy looks at.
template <EvictionPolicy P>
[[nodiscard]] constexpr Neighbourhood neighbourhood_of() noexcept {
  if constexpr (NamesNeighbourhood<P>) {
    return P::neighbourhood;
  } else {
    return Neighbourhood::exact;
  }
}

}  // namespace reprise::inline v0
