// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// In place of a tracker, for planners that read no statistics.

#include <span>

namespace reprise::inline v0 {

/// A tracker without statistics; what `Checkpointed` has if it is made without one.
struct NoTracker {
  /// None.
  [[nodiscard]] constexpr std::span<const double> statistics() const noexcept { return {}; }
  /// Counts nothing, whatever the scale.
  template <class... Scale>
  constexpr void end_step(const Scale&... /*scale*/) const noexcept {}
  /// Forgets nothing.
  constexpr void abandon_step() const noexcept {}
};

}  // namespace reprise::inline v0
