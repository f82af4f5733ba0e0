// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What tensors were like when they were made.

#include <cstddef>
#include <reprise/core/error.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/program/lowering.hpp>
#include <reprise/program/program.hpp>
#include <span>
#include <string>
#include <vector>

namespace reprise::inline v0::running {

/// Whether a tensor lies in memory; one without may still be an empty one.
template <TensorLike T>
[[nodiscard]] bool has_memory(const T& tensor) {
  return tensor_traits<T>::storage(tensor) != nullptr;
}

/// Remembers how many elements the tensors of one pass had when they were made: a gradient has as
/// many as what it is the gradient of, which may be gone by then.
template <TensorLike T>
class MadeTensors {
 public:
  /// Borrows the lowering; the inputs are only looked at when they are asked about.
  MadeTensors(const LoweredGraph& lowered, std::span<T* const> inputs)
      : lowered_(lowered), inputs_(inputs), made_(lowered.program.values().size()) {}

  /// Notes the outputs of a node's first forward.
  void note(std::size_t node, std::span<const T> outputs) {
    for (std::size_t port = 0; port < outputs.size(); ++port) {
      made_[lowered_.outputs[node][port]] = like(outputs[port]);
    }
  }

  /// Whether an output was empty: its gradient is empty as well, and is one.
  [[nodiscard]] bool was_empty(value_id output) const { return made_[output].is_empty; }

  /// The elements of a graph input or of an output that was made; 0 where tensors do not count
  /// them.
  [[nodiscard]] std::size_t elements(Source source) const {
    return source.is_graph_input() ? like(*inputs_[source.port]).elements
                                   : made_[lowered_.outputs[source.node][source.port]].elements;
  }

  /// Checks a gradient that has memory.
  /// @param name called for the name of the gradient
  /// @throws InvalidArgument if it has not as many elements as what it is the gradient of
  template <class Name>
  void check_gradient([[maybe_unused]] const T& gradient, [[maybe_unused]] Source of,
                      [[maybe_unused]] Name&& name) const {
    if constexpr (CountsElements<T>) {
      const std::size_t expected = elements(of);
      const std::size_t given = tensor_traits<T>::elements(gradient);
      if (given == expected || !has_memory(gradient)) return;
      throw InvalidArgument(name() + " has " + std::to_string(given) +
                            " elements, what it is the gradient of has " +
                            std::to_string(expected));
    }
  }

 private:
  struct Made {
    std::size_t elements = 0;
    bool is_empty = false;
  };

  [[nodiscard]] static Made like(const T& tensor) {
    Made made{.is_empty = !has_memory(tensor)};
    if constexpr (CountsElements<T>) {
      made.elements = tensor_traits<T>::elements(tensor);
      made.is_empty = made.elements == 0;
    }
    return made;
  }

  const LoweredGraph& lowered_;
  std::span<T* const> inputs_;
  std::vector<Made> made_;  ///< outputs, by value
};

}  // namespace reprise::inline v0::running
