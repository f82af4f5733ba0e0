// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A schedule that is known beforehand, played within a budget.

#include <reprise/program/schedule.hpp>

#include "policy.hpp"

namespace replay {

/// Plays a valid schedule up to its end, or to the action that passes the budget or after which it
/// thrashes.
[[nodiscard]] Outcome play(const Task& task, const reprise::Schedule& schedule);

}  // namespace replay
