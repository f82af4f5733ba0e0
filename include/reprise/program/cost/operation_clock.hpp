// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What measures the time of operations.

#include <concepts>
#include <cstdint>
#include <optional>

namespace reprise::inline v0 {

/// Measures how long operations take where they run: on the host, or on a device that runs behind
/// the host.
///
/// Semantics: `mark()` names the point that the work given so far will have come to when it is
/// done, and does not wait for it. `seconds_between(begin, end)` says how long the work between two
/// marks took, and is empty as long as it is not over; once it has answered both marks are used
/// up. `finish()` waits until all marks have been passed. Marks are used in pairs, each once.
template <class C>
concept OperationClock = requires(C& clock, std::uint64_t mark) {
  { clock.mark() } -> std::convertible_to<std::uint64_t>;
  { clock.seconds_between(mark, mark) } -> std::convertible_to<std::optional<double>>;
  clock.finish();
};

}  // namespace reprise::inline v0
