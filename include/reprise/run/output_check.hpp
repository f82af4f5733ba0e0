// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Checks what a node's forward has made against what the node promises.

#include <cstddef>
#include <reprise/core/error.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/saved_state.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/core/units.hpp>
#include <span>
#include <string>

namespace reprise::inline v0::running {

/// What one forward of a node read and has made, to be checked against what the node promises.
template <TensorLike T, class S>
class OutputCheck {
 public:
  /// Borrows all.
  OutputCheck(std::size_t node, const NodeTraits& traits, std::span<T* const> arguments,
              std::span<const T> outputs, const S& saved) noexcept
      : node_(node), traits_(traits), arguments_(arguments), outputs_(outputs), saved_(saved) {}

  /// @throws InvalidGraph if an output that was to be skipped has bytes
  void check_skipped(std::size_t port) const {
    const byte_count bytes = counted_bytes(outputs_[port]);
    if (bytes == 0) return;
    throw InvalidGraph("node " + std::to_string(node_) +
                       " declares can_skip_output and returned output " + std::to_string(port) +
                       " with " + std::to_string(bytes) + " bytes where it was to be skipped");
  }

  /// @throws SharedStorage if an output lies in the memory of an input, and is no view, or in that
  ///   of the saved state
  void check_memory(std::size_t port) const {
    const void* const storage = tensor_traits<T>::storage(outputs_[port]);
    if (!traits_.view_of && storage != nullptr && !is_persistent(outputs_[port])) {
      check_alone(port, storage);
    }
    check_not_saved(storage, "its output");
  }

  /// @throws SharedStorage if the saved state lies in the memory of an input
  void check_inputs_not_saved() const {
    for (std::size_t i = 0; i < arguments_.size(); ++i) {
      if (is_consumed(i) || is_persistent(*arguments_[i])) continue;
      check_not_saved(tensor_traits<T>::storage(*arguments_[i]), "its input");
    }
  }

 private:
  [[nodiscard]] bool is_consumed(std::size_t input) const {
    return static_cast<int>(input) == traits_.consumes.input_index;
  }

  void check_alone(std::size_t port, const void* storage) const {
    for (std::size_t i = 0; i < arguments_.size(); ++i) {
      if (is_consumed(i) || tensor_traits<T>::storage(*arguments_[i]) != storage) continue;
      throw SharedStorage("output " + std::to_string(port) + " of node " + std::to_string(node_) +
                          " shares the memory of its input " + std::to_string(i) +
                          ": declare view_of");
    }
  }

  void check_not_saved(const void* storage, const char* what) const {
    if (storage == nullptr || !holds_storage(saved_, storage)) return;
    throw SharedStorage("the saved state of node " + std::to_string(node_) +
                        " shares the memory of " + what +
                        ": declare it in backward_reads instead of saving it");
  }

  std::size_t node_;
  const NodeTraits& traits_;
  std::span<T* const> arguments_;
  std::span<const T> outputs_;
  const S& saved_;
};

}  // namespace reprise::inline v0::running
