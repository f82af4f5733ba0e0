// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// An array in device memory that belongs to a stream.

#include <cstddef>
#include <optional>
#include <reprise/backend/device_memory.hpp>
#include <reprise/backend/device_runtime.hpp>
#include <reprise/backend/device_stream.hpp>
#include <span>
#include <type_traits>
#include <utility>

namespace reprise::inline v0 {

/// `size()` elements in device memory, allocated, used and freed in the order of one stream.
/// Movable; default-constructed it holds nothing. Its destructor waits for nothing.
/// @tparam R the device runtime
template <class T, DeviceRuntime R>
requires(std::is_trivially_copyable_v<T>) class DeviceBuffer {
 public:
  DeviceBuffer() noexcept = default;

  /// Elements without a value. @throws DeviceError
  DeviceBuffer(std::size_t size, const DeviceMemory<R>& memory, const DeviceStream<R>& stream)
      : place_(Place{memory, stream}),
        data_(static_cast<T*>(memory.allocate(size * sizeof(T), stream))),
        size_(size) {}

  DeviceBuffer(DeviceBuffer&& other) noexcept { swap(other); }
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    DeviceBuffer moved(std::move(other));
    swap(moved);
    return *this;
  }
  DeviceBuffer(const DeviceBuffer&) = delete;
  DeviceBuffer& operator=(const DeviceBuffer&) = delete;
  ~DeviceBuffer() {
    if (place_) place_->memory.deallocate(data_, size_ * sizeof(T), place_->stream);
  }

  /// The first element, on the device; null if it was default-constructed.
  [[nodiscard]] T* data() noexcept { return data_; }
  [[nodiscard]] const T* data() const noexcept { return data_; }
  /// Elements, not bytes.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Sets all bytes to zero, in stream order. @throws DeviceError
  void clear() {
    if (size_ > 0) R::fill_zero(data_, size_ * sizeof(T), place_->stream.get());
  }

  /// Replaces the first elements, in stream order; the host's must stay until then.
  /// @throws DeviceError
  void copy_from(std::span<const T> host) {
    if (!host.empty()) {
      R::copy_to_device(data_, host.data(), host.size_bytes(), place_->stream.get());
    }
  }

  /// Copies the first elements to the host, in stream order. @throws DeviceError
  void copy_to(std::span<T> host) const {
    if (!host.empty()) {
      R::copy_to_host(host.data(), data_, host.size_bytes(), place_->stream.get());
    }
  }

 private:
  struct Place {
    DeviceMemory<R> memory;
    DeviceStream<R> stream;
  };

  void swap(DeviceBuffer& other) noexcept {
    std::swap(place_, other.place_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  std::optional<Place> place_;
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace reprise::inline v0
