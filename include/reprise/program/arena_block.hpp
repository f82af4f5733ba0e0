// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a value has of an arena.

#include <cstdint>
#include <reprise/core/units.hpp>
#include <reprise/program/value.hpp>

namespace reprise::inline v0 {

/// A part of an arena that a value has for a while. A value that is recomputed has another one.
struct ArenaBlock {
  static constexpr value_id no_value = 0xFFFFFFFFU;  ///< an operation's own scratch memory

  value_id value = no_value;       ///< that has it
  std::uint32_t first_action = 0;  ///< the run that makes it
  std::uint32_t last_action = 0;   ///< the last action during which it is there
  byte_count bytes = 0;            ///< as aligned
  byte_count offset = 0;           ///< from the arena's start, a multiple of the alignment
  /// There during one run only: a transient, a part of a gradient, a copy of what is present.
  bool is_scratch = false;
};

}  // namespace reprise::inline v0
