// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a tracker of gradient statistics is.

#include <concepts>
#include <reprise/stats/no_tracker.hpp>
#include <span>

namespace reprise::inline v0 {

/// Tracks gradient statistics step by step, as `GradientStatTracker` does.
template <class T>
concept StatisticsTracker = requires(T& tracker, const T& constant) {
  { constant.statistics() } -> std::convertible_to<std::span<const double>>;
  tracker.end_step();
  tracker.abandon_step();
};

static_assert(StatisticsTracker<NoTracker>);

}  // namespace reprise::inline v0
