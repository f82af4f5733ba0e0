// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What is placed in an arena.

#include <algorithm>
#include <cstdint>
#include <reprise/core/units.hpp>
#include <span>
#include <vector>

namespace reprise::inline v0::arena {

/// Something to place: the blocks of values that take each other's bytes over in place are one.
struct Piece {
  std::uint32_t first;  ///< the first moment at which it is there
  std::uint32_t last;   ///< the last one, too
  byte_count bytes;
};

/// The most bytes that are there at once. Linear, but for sorting.
[[nodiscard]] inline byte_count live_bytes(std::span<const Piece> pieces) {
  std::uint32_t end = 0;
  for (const Piece& piece : pieces) end = std::max(end, piece.last + 2);
  std::vector<std::int64_t> change(end, 0);
  for (const Piece& piece : pieces) {
    change[piece.first] += static_cast<std::int64_t>(piece.bytes);
    change[piece.last + 1] -= static_cast<std::int64_t>(piece.bytes);
  }
  std::int64_t live = 0;
  std::int64_t most = 0;
  for (const std::int64_t by : change) most = std::max(most, live += by);
  return static_cast<byte_count>(most);
}

}  // namespace reprise::inline v0::arena
