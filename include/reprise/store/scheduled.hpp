// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The eviction policy of a store that plays a schedule.

namespace reprise::inline v0 {

/// Never evicts: a schedule has already made the room that it needs, and running out of it means
/// that the schedule was wrong.
struct Scheduled {
  friend constexpr bool operator==(Scheduled, Scheduled) noexcept = default;
};

}  // namespace reprise::inline v0
