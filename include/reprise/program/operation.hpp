// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What runs in a program.

#include <cstdint>
#include <reprise/core/units.hpp>
#include <reprise/program/value.hpp>
#include <string>
#include <vector>

namespace reprise::inline v0 {

/// The number of an operation in its program.
using operation_id = std::uint32_t;

/// What an operation is.
enum class OperationKind : std::uint8_t {
  forward,   ///< of a node
  loss,      ///< between forward and backward: what makes the gradients of the graph's outputs
  backward,  ///< of a node
};

/// Something that runs.
struct Operation {
  OperationKind kind = OperationKind::forward;  ///< which of its node's
  std::uint32_t node = Value::no_node;          ///< its node, but for a loss
  std::uint32_t layer = 0;                      ///< of its node; layers are numbered 0, 1, 2, …
  std::vector<value_id> reads{};                ///< must be present
  std::vector<value_id> writes{};               ///< made anew
  std::vector<value_id> consumes{};             ///< of what it reads: gone once it starts
  std::vector<value_id> accumulates{};          ///< gradients it adds a part to, once for each part
  std::vector<value_id> releases{};  ///< the engine itself is done with these once it ran
  byte_count transient_bytes = 0;    ///< beyond all that it makes
  double cost = 0;                   ///< FLOPs or seconds, see `Program::cost_is_flops`
  bool repeatable = false;           ///< may run again, for what it wrote that is gone
  bool adds_in_place = false;        ///< its parts need no memory of their own
  bool can_skip_output = false;      ///< a rerun whose outputs nobody reads may make none
};

/// "forward of node 3", for messages.
/// @param number    its own in the program
/// @param has_nodes false in a program without a loss operation: its operations are named
///   by their numbers
[[nodiscard]] inline std::string describe(const Operation& operation, operation_id number,
                                          bool has_nodes) {
  if (operation.kind == OperationKind::loss) return "the loss";
  if (!has_nodes) return "operation " + std::to_string(number);
  return (operation.kind == OperationKind::forward ? "forward of node " : "backward of node ") +
         std::to_string(operation.node);
}

}  // namespace reprise::inline v0
