// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Which of a node's calls.

#include <cstddef>
#include <cstdint>

namespace reprise::inline v0 {

/// A call of a node.
enum class NodeCall : std::uint8_t {
  forward,    ///< its first in a pass
  recompute,  ///< every further forward
  backward,   ///< its only one
};

/// How many there are.
inline constexpr std::size_t node_call_count = 3;

}  // namespace reprise::inline v0
