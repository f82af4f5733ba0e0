// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Tensors that a node is called with, by position.

#include <cassert>
#include <cstddef>
#include <reprise/core/tensor.hpp>
#include <span>
#include <utility>

namespace reprise::inline v0 {

/// A list of tensors that live elsewhere; a place is empty where the node declared no read of it.
///
/// A view: valid during the call that it is handed to.
template <TensorLike T>
class Arguments {
 public:
  constexpr Arguments() noexcept = default;
  /// Views the pointers; a null one is an empty place.
  constexpr explicit Arguments(std::span<T* const> tensors) noexcept : tensors_(tensors) {}

  /// Places, the empty ones included.
  [[nodiscard]] constexpr std::size_t size() const noexcept { return tensors_.size(); }

  /// True if there is a tensor at this place.
  [[nodiscard]] constexpr bool has(std::size_t index) const noexcept {
    return tensors_[index] != nullptr;
  }

  /// The tensor at this place; undefined where `has(index)` is false.
  [[nodiscard]] constexpr const T& operator[](std::size_t index) const noexcept {
    assert(index < size() && has(index));
    return *tensors_[index];
  }

  /// Takes over the tensor at this place; only for what the node declared to consume.
  [[nodiscard]] constexpr T take(std::size_t index) const {
    assert(index < size() && has(index));
    return std::exchange(*tensors_[index], T{});
  }

  /// The places themselves.
  [[nodiscard]] constexpr std::span<T* const> pointers() const noexcept { return tensors_; }

 private:
  std::span<T* const> tensors_;
};

}  // namespace reprise::inline v0
