// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What takes bytes in a program.

#include <cstdint>
#include <optional>
#include <reprise/core/units.hpp>
#include <string>

namespace reprise::inline v0 {

/// The number of a value in its program.
using value_id = std::uint32_t;

/// What a value is.
enum class ValueKind : std::uint8_t {
  input,     ///< a graph input: borrowed, no bytes, always present
  constant,  ///< a recorded program's weight or input: there from the start, pinned, counted
  output,    ///< a port of a node
  saved,     ///< what a node's backward needs besides its inputs and outputs
  gradient,  ///< the gradient of an output or of a graph input
  form,      ///< what is kept in place of another value: its code, or its copy elsewhere
  restored,  ///< what was made from a form, in place of what the form stands for
};

/// Something that takes bytes.
struct Value {
  static constexpr std::uint32_t no_node = 0xFFFFFFFFU;  ///< of what belongs to no node

  ValueKind kind = ValueKind::output;  ///< what it is of its node
  std::uint32_t node = no_node;  ///< its node; of a gradient: the node of what it is a gradient of
  /// Of its node; of graph inputs and their gradients: which input; of saved state 0, and of its
  /// tensor with number n, where that is a value of its own, n + 1.
  std::uint32_t port = 0;
  byte_count bytes = 0;               ///< as requested, while it is there; of the device
  std::optional<value_id> view_of{};  ///< shares the storage of this value
  bool stays = false;                 ///< never dropped: the gradient of a graph input
  bool is_approximate = false;        ///< other content than that for which it stands
  std::optional<value_id> form_of{};  ///< what a form or what is restored from one stands for
  byte_count host_bytes = 0;          ///< of the host, for a form that lies there
  double variance = 0;                ///< that reading this form's content adds to the gradient's
};

/// "output 0 of node 3", for messages.
/// @param has_nodes false in a program without a loss operation: its operations are named
///   by their numbers
[[nodiscard]] inline std::string describe(const Value& value, bool has_nodes) {
  const std::string port = std::to_string(value.port);
  const std::string node = value.node == Value::no_node
                               ? "the graph"
                               : (has_nodes ? "node " : "operation ") + std::to_string(value.node);
  switch (value.kind) {
    case ValueKind::input:
      return "graph input " + port;
    case ValueKind::constant:
      return "constant " + port;
    case ValueKind::saved:
      if (value.port == 0) return "saved state of " + node;
      return "saved tensor " + std::to_string(value.port - 1) + " of " + node;
    case ValueKind::gradient:
      return value.node == Value::no_node ? "gradient of graph input " + port
                                          : "gradient of output " + port + " of " + node;
    case ValueKind::form:
    case ValueKind::restored:
      return std::string(value.kind == ValueKind::form ? "form" : "restored content") +
             " of value " + std::to_string(value.form_of.value_or(0)) + " of " + node;
    case ValueKind::output:
      break;
  }
  return "output " + port + " of " + node;
}

}  // namespace reprise::inline v0
