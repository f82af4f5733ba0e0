// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// One program under each policy and a row of budgets.

#include <array>
#include <vector>

#include "replay.hpp"

namespace replay {

/// The budgets of a sweep, as ratios of the baseline.
inline constexpr std::array sweep_ratios{0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1};

/// Replays under each policy at each ratio, the policies one after another; one that does not adapt
/// to a budget once, without one. Shows how far it is on a terminal.
[[nodiscard]] std::vector<Replay> sweep(const Subject& subject, const PolicySettings& settings);

}  // namespace replay
