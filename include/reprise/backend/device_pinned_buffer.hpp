// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// An array in host memory that the device copies to without help of the host.

#include <cstddef>
#include <memory>
#include <reprise/backend/device_runtime.hpp>
#include <span>
#include <type_traits>

namespace reprise::inline v0 {

/// `size()` elements in page-locked host memory. Movable; default-constructed it holds nothing.
/// @tparam R the device runtime
template <class T, DeviceRuntime R>
requires(std::is_trivially_copyable_v<T>) class DevicePinnedBuffer {
 public:
  DevicePinnedBuffer() noexcept = default;

  /// Elements without a value. @throws DeviceError
  explicit DevicePinnedBuffer(std::size_t size) : size_(size) {
    if (size > 0) data_.reset(static_cast<T*>(R::allocate_pinned(size * sizeof(T))));
  }

  /// Elements; 0 after a move.
  [[nodiscard]] std::size_t size() const noexcept { return data_ ? size_ : 0; }
  /// All of them, which the device can copy from and to without a pause.
  [[nodiscard]] std::span<T> elements() noexcept { return {data_.get(), size()}; }
  [[nodiscard]] std::span<const T> elements() const noexcept { return {data_.get(), size()}; }

 private:
  struct Free {
    void operator()(T* data) const noexcept { R::free_pinned(data); }
  };
  std::unique_ptr<T[], Free> data_;
  std::size_t size_ = 0;
};

}  // namespace reprise::inline v0
