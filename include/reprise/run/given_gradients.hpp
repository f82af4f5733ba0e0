// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Checks the gradients that backward is given.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <reprise/core/error.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/program/program.hpp>
#include <reprise/run/storage_overlap.hpp>
#include <span>
#include <string>
#include <vector>

namespace reprise::inline v0::running {

/// Refuses the engine's own gradients of the graph's outputs where what adds to them or reuses
/// their memory would touch something else.
template <TensorLike T>
class GivenGradients {
 public:
  /// Borrows all three.
  GivenGradients(const Program& program, std::span<T* const> inputs,
                 std::span<const T> gradients) noexcept
      : program_(program), inputs_(inputs), gradients_(gradients) {}

  /// @throws InvalidArgument if the graph has another number of outputs
  void check_count() const {
    const Operation& loss = program_.operations()[program_.loss()];
    if (gradients_.size() == loss.writes.size()) return;
    throw InvalidArgument("backward was given " + std::to_string(gradients_.size()) +
                          " gradients for " + std::to_string(loss.writes.size()) + " outputs");
  }

  /// @param overlap reused from call to call, as it holds memory
  /// @param output  gives the graph's output with a number
  /// @throws SharedStorage if a gradient lies in the memory of an output, of another gradient, or
  ///   of a graph input where backward adds to it or reuses it
  template <class Output>
  void check_memory(StorageOverlap<T>& overlap, Output&& output) const {
    overlap.clear();
    for (std::size_t i = 0; i < gradients_.size(); ++i) {
      overlap.add(&gradients_[i], i, Role::made);
      overlap.add(&output(i), i, Role::read);
    }
    if (const auto shared = overlap.first()) {
      throw SharedStorage("the gradient of output " + std::to_string(shared->made) +
                          " shares memory with output " + std::to_string(shared->other) +
                          " or its gradient: hand over a copy");
    }
    overlap.clear();
    for (std::size_t i = 0; i < gradients_.size(); ++i) {
      overlap.add(&gradients_[i], i, Role::made);
    }
    for (std::size_t i = 0; i < inputs_.size(); ++i) overlap.add(inputs_[i], i, Role::given);
    if (overlap.first()) check_shares_no_input();
  }

 private:
  using Role = typename StorageOverlap<T>::Role;

  // Backward may add to such a gradient or reuse its memory, and the input is the engine's.
  // Linearithmic in both, and linear in the program.
  void check_shares_no_input() const {
    struct Input {
      const void* storage;
      std::size_t number;
    };
    std::vector<Input> inputs;
    for (std::size_t input = 0; input < inputs_.size(); ++input) {
      if (inputs_[input] == nullptr) continue;
      inputs.push_back({tensor_traits<T>::storage(*inputs_[input]), input});
    }
    std::ranges::stable_sort(inputs, std::less<>{}, &Input::storage);
    const std::vector<std::uint8_t> is_changed = changed_in_backward();
    for (std::size_t index = 0; index < gradients_.size(); ++index) {
      const void* const storage = tensor_traits<T>::storage(gradients_[index]);
      const auto input = std::ranges::lower_bound(inputs, storage, std::less<>{}, &Input::storage);
      if (storage == nullptr || input == inputs.end() || input->storage != storage) continue;
      const value_id gradient = program_.operations()[program_.loss()].writes[index];
      if (is_changed[gradient] == 0) continue;
      throw SharedStorage("the gradient of output " + std::to_string(index) +
                          " shares memory with graph input " + std::to_string(input->number) +
                          ", and backward adds to it or reuses it: hand over a copy");
    }
  }

  // Of each value, whether a backward adds to it or takes over its memory.
  [[nodiscard]] std::vector<std::uint8_t> changed_in_backward() const {
    std::vector<std::uint8_t> is_changed(program_.values().size(), 0);
    for (const Operation& op : program_.operations()) {
      for (const value_id value : op.accumulates) is_changed[value] = 1;
      for (const value_id value : op.consumes) is_changed[value] = 1;
    }
    return is_changed;
  }

  const Program& program_;
  std::span<T* const> inputs_;
  std::span<const T> gradients_;
};

}  // namespace reprise::inline v0::running
