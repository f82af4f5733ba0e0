// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a node's saved state is in a program.

#include <cstdint>
#include <reprise/program/value.hpp>

namespace reprise::inline v0 {

/// How the saved states of nodes become values.
enum class SavedValues : std::uint8_t {
  by_node,    ///< one value each: its tensors live and go together
  by_tensor,  ///< one value for each tensor, and one for the rest, so that each can have a form
};

/// A tensor of a saved state that is a value of its own.
struct SavedTensor {
  std::uint32_t number = 0;  ///< in the order of `for_each_saved_tensor`
  value_id value = 0;        ///< of the program
};

}  // namespace reprise::inline v0
