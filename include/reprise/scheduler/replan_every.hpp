// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Plans anew after a fixed number of steps.

#include <cstdint>
#include <reprise/scheduler/replan_policy.hpp>

namespace reprise::inline v0 {

/// Plans anew every `steps` steps; 0 never does.
struct ReplanEvery {
  std::uint64_t steps = 100;  ///< optimiser steps

  /// Whether a plan of that age is due.
  [[nodiscard]] constexpr bool operator()(std::uint64_t steps_since_plan) const noexcept {
    return steps != 0 && steps_since_plan >= steps;
  }
};

static_assert(ReplanPolicy<ReplanEvery>);

}  // namespace reprise::inline v0
