// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Compares what nodes make with their profile.

#include <algorithm>
#include <cstddef>
#include <optional>
#include <reprise/core/arguments.hpp>
#include <reprise/core/byte_sum.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/core/units.hpp>
#include <reprise/program/profile.hpp>
#include <reprise/program/program.hpp>
#include <reprise/run/lowered_shape.hpp>
#include <span>
#include <string>
#include <vector>

namespace reprise::inline v0::running {

/// Compares the bytes that the nodes of one pass make with their profile, refuses what there is no
/// room for, and remembers what was more.
///
/// How many bytes a value may take is said by the caller's values: `bytes_of(value)`, and whether
/// what runs may make more, `grow(value, bytes)` and `grow_transient(bytes)`.
template <LayerGraph G>
class ProfileCheck {
 public:
  using T = typename G::tensor_type;  ///< what nodes exchange

  /// Inputs of one signature may differ in bytes, and so do their gradients. Borrows the graph and
  /// the shape.
  ProfileCheck(G& graph, const LoweredShape& shape, std::span<T* const> inputs)
      : graph_(graph), shape_(shape) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const auto bytes = static_cast<byte_count>(tensor_traits<T>::bytes(*inputs[i]));
      if (bytes > shape_.profile.input_bytes[i]) grown().input_bytes[i] = bytes;
    }
  }

  /// The profile grown to what the nodes made so far, if that is more.
  [[nodiscard]] const std::optional<Profile>& seen() const noexcept { return seen_; }

  /// Checks the bytes of a tensor that was made.
  /// @param may_grow whether it may be more than the profile says: a copy has the bytes of its
  ///                 original, a gradient those of its tensor
  /// @throws ProfileMismatch
  template <class Values>
  void check_tensor(const T& tensor, value_id value, bool may_grow, Values& values) {
    check_bytes(program().values()[value].kind == ValueKind::gradient
                    ? static_cast<byte_count>(tensor_traits<T>::bytes(tensor))
                    : counted_bytes(tensor),
                value, may_grow, values);
  }

  /// Checks the bytes of a node's saved state.
  /// @throws ProfileMismatch
  template <class Values>
  void check_saved(std::size_t node, byte_count bytes, bool may_grow, Values& values) {
    const value_id value = shape_.lowered.saved[node];
    if (value != LoweredGraph::no_value) return check_bytes(bytes, value, may_grow, values);
    if (bytes == 0) return;
    grown().nodes[node].saved_bytes = bytes;
    throw ProfileMismatch("saved state of node " + std::to_string(node) + " has " +
                          std::to_string(bytes) + " bytes, its profile says 0");
  }

  /// Asks a node that runs for the first time, after a tensor that was larger than its profile,
  /// whether it takes more while it runs.
  /// @throws ProfileMismatch
  template <class Values>
  void ask_costs(const Operation& op, const std::vector<T*>& arguments, Values& values) {
    if (!seen_) return;
    if constexpr (requires { graph_.costs(op.node, Arguments<T>(arguments)); }) {
      const NodeProfile asked{.costs = graph_.costs(op.node, Arguments<T>(arguments))};
      grow(seen_->nodes[op.node], asked);
      const byte_count bytes = asked.costs.forward_transient_bytes;
      if (bytes <= op.transient_bytes || values.grow_transient(bytes)) return;
      throw ProfileMismatch(
          "forward of node " + std::to_string(op.node) + " takes " + std::to_string(bytes) +
          " bytes beyond what it makes, its profile says " + std::to_string(op.transient_bytes));
    }
  }

 private:
  [[nodiscard]] const Program& program() const { return shape_.lowered.program; }

  [[nodiscard]] Profile& grown() {
    if (!seen_) seen_ = shape_.profile;
    return *seen_;
  }

  template <class Values>
  void check_bytes(byte_count bytes, value_id value, bool may_grow, Values& values) {
    const byte_count known = values.bytes_of(value);
    if (bytes <= known) return;
    if (may_grow) note(value, bytes);
    if (may_grow && values.grow(value, bytes)) return;
    throw ProfileMismatch(program().describe(value) + " has " + std::to_string(bytes) +
                          " bytes, its profile says " + std::to_string(known) +
                          (may_grow ? ", and the budget has no room for more" : ""));
  }

  void note(value_id value, byte_count bytes) {
    const Value& v = program().values()[value];
    const auto raise = [bytes](byte_count& known) { known = std::max(known, bytes); };
    NodeProfile& node = grown().nodes[v.node];
    if (v.kind == ValueKind::saved) return note_saved(node, v, bytes);
    raise(node.output_bytes[v.port]);
    raise(node.gradient_bytes[v.port]);
  }

  // All of it, or one tensor or the rest of it.
  void note_saved(NodeProfile& node, const Value& value, byte_count bytes) const {
    if (bytes <= value.bytes) return;
    if (value.port > 0) {
      byte_count& known = node.saved_tensor_bytes[value.port - 1];
      known = std::max(known, bytes);
    }
    node.saved_bytes =
        std::max(node.saved_bytes, byte_sum(node.saved_bytes, bytes - value.bytes).value_or(bytes));
  }

  G& graph_;
  const LoweredShape& shape_;
  std::optional<Profile> seen_;
};

}  // namespace reprise::inline v0::running
