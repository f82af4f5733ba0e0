// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What runs in a program.

#include <cstddef>
#include <cstdint>
#include <reprise/core/units.hpp>
#include <reprise/program/lane.hpp>
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
  encode,    ///< makes a form of a value, in the device's memory
  decode,    ///< restores what a form in the device's memory stands for
  offload,   ///< copies a value to the host's memory
  fetch,     ///< copies a form in the host's memory back
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
  /// Bit i: what `reads[i]` names may be read in an approximate form; reads from the 32nd on may
  /// not.
  std::uint32_t tolerates = 0;
  /// Of these: what its gradients are linear in, so that an unbiased code leaves them unbiased.
  std::uint32_t linear = 0;

  /// True if it reads the value, and wherever it names it tolerates an approximate form.
  [[nodiscard]] bool tolerates_read(value_id value) const noexcept {
    return has_wherever_read(tolerates, value);
  }
  /// True if it reads the value, and wherever it names it its gradients are linear in it.
  [[nodiscard]] bool is_linear_in(value_id value) const noexcept {
    return has_wherever_read(linear, value);
  }
  /// From now on it tolerates an approximate form of what `reads[index]` names, if `index` is below
  /// 32.
  void tolerate(std::size_t index) noexcept {
    if (index < 32) tolerates |= std::uint32_t{1} << index;
  }
  /// The same, and its gradients are linear in it.
  void tolerate_linearly(std::size_t index) noexcept {
    tolerate(index);
    if (index < 32) linear |= std::uint32_t{1} << index;
  }

 private:
  [[nodiscard]] bool has_wherever_read(std::uint32_t flags, value_id value) const noexcept {
    bool is_read = false;
    for (std::size_t i = 0; i < reads.size(); ++i) {
      if (reads[i] != value) continue;
      if (i >= 32 || ((flags >> i) & 1U) == 0) return false;
      is_read = true;
    }
    return is_read;
  }
};

/// The lane of an operation of a kind.
[[nodiscard]] constexpr Lane lane_of(OperationKind kind) noexcept {
  if (kind == OperationKind::offload) return Lane::to_host;
  return kind == OperationKind::fetch ? Lane::to_device : Lane::compute;
}

/// "forward of node ", "encoding for node ": what an operation of a kind does, for messages.
[[nodiscard]] inline std::string describe(OperationKind kind) {
  switch (kind) {
    case OperationKind::forward:
      return "forward of node ";
    case OperationKind::encode:
      return "encoding for node ";
    case OperationKind::decode:
      return "decoding for node ";
    case OperationKind::offload:
      return "offload for node ";
    case OperationKind::fetch:
      return "fetch for node ";
    case OperationKind::loss:
    case OperationKind::backward:
      break;
  }
  return "backward of node ";
}

/// "forward of node 3", for messages.
/// @param number    its own in the program
/// @param has_nodes false in a program without a loss operation: its operations are named
///   by their numbers
[[nodiscard]] inline std::string describe(const Operation& operation, operation_id number,
                                          bool has_nodes) {
  if (operation.kind == OperationKind::loss) return "the loss";
  if (!has_nodes) return "operation " + std::to_string(number);
  return describe(operation.kind) + std::to_string(operation.node);
}

}  // namespace reprise::inline v0
