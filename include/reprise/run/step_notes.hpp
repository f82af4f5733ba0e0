// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What one pass of a verified step notes, so that the other can be played and compared with it.

#include <any>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace reprise::inline v0::running {

/// What a node's backward reads.
enum class BackwardRead : std::uint8_t {
  gradient,  ///< of an output
  input,     ///< of the node
  output,    ///< of the node
  saved,     ///< the node's saved state
};

/// One tensor, or saved state, that a node's backward read.
struct NotedRead {
  std::size_t node = 0;                        ///< whose backward read it
  BackwardRead kind = BackwardRead::gradient;  ///< what it is to the node
  std::size_t index = 0;                       ///< which input or output
  std::uint64_t checksum = 0;                  ///< of its content

  [[nodiscard]] friend bool operator==(const NotedRead&, const NotedRead&) = default;
};

/// Notes of one pass: the engine's own state at each call, and what each backward read.
struct StepNotes {
  std::vector<std::any> forward_states{};        ///< by node: before its first forward
  std::vector<std::any> backward_states{};       ///< by node: before its backward
  std::size_t backwards = 0;                     ///< that ran
  std::vector<std::size_t> without_gradients{};  ///< that ran backward and may have parameters
  std::vector<NotedRead> reads{};                ///< of these, in the order of the backwards

  /// Room for the states of so many nodes.
  explicit StepNotes(std::size_t nodes) : forward_states(nodes), backward_states(nodes) {}
};

}  // namespace reprise::inline v0::running
