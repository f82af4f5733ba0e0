// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What an engine is told when an operation runs in an arena.

#include <reprise/program/operation.hpp>
#include <span>

namespace reprise::inline v0 {

/// One run of an operation, and where in memory all that it reads and makes lies.
///
/// What is consumed and what is made may have one place: an output then is written over an input.
/// Of a view the place is that of the storage that it shares; which part of it the view is, the
/// engine knows. Where there are no bytes, a pointer is not to be followed.
struct ArenaCall {
  operation_id operation = 0;  ///< of the program
  bool is_rerun = false;       ///< it ran before in this pass
  bool skips_output = false;   ///< makes saved state only, see `Operation::can_skip_output`
  /// In the order of the operation's `reads`; null for what is given and was not bound.
  std::span<const void* const> inputs{};
  /// In the order of its `writes`, each to be written anew; null for an output that is skipped. A
  /// gradient that an operation makes by adding in place is zero when it begins.
  std::span<void* const> outputs{};
  /// In the order of its `accumulates`: the gradient itself, to be added to, where the operation
  /// adds in place; otherwise memory for the part, to be written, which is added afterwards.
  std::span<void* const> parts{};
  void* scratch = nullptr;  ///< its transient bytes, of any content; null if it has none
};

}  // namespace reprise::inline v0
