// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What an allocation tries before it gives up.

namespace reprise::inline v0 {

/// Allocates; where that fails, makes room and tries again; where that fails or there was no room
/// to make, trims the pool and tries a last time.
///
/// An exception of the three passes through.
/// @param allocate  returns the memory, or null if there is none
/// @param make_room has others give memory up, and returns whether they did
/// @param trim      has what was given up, but is still held somewhere, become free
/// @returns the memory, or null
template <class Allocate, class MakeRoom, class Trim>
[[nodiscard]] void* allocate_with_retries(Allocate allocate, MakeRoom make_room, Trim trim) {
  void* memory = allocate();
  if (memory == nullptr && make_room()) memory = allocate();
  if (memory == nullptr) {
    trim();
    memory = allocate();
  }
  return memory;
}

}  // namespace reprise::inline v0
