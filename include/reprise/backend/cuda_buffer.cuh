// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// An array in device memory that belongs to a stream.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <optional>
#include <reprise/backend/cuda_error.cuh>
#include <reprise/backend/cuda_memory.cuh>
#include <reprise/backend/cuda_stream.cuh>
#include <span>
#include <type_traits>
#include <utility>

namespace reprise::inline v0 {

/// `size()` elements in device memory, allocated, used and freed in the order of one stream.
/// Movable; default-constructed it holds nothing. Its destructor waits for nothing.
template <class T>
requires(std::is_trivially_copyable_v<T>) class CudaBuffer {
 public:
  CudaBuffer() noexcept = default;

  /// Elements without a value. @throws CudaError
  CudaBuffer(std::size_t size, const CudaMemory& memory, const CudaStream& stream)
      : place_(Place{memory, stream}),
        data_(static_cast<T*>(memory.allocate(size * sizeof(T), stream))),
        size_(size) {}

  CudaBuffer(CudaBuffer&& other) noexcept { swap(other); }
  CudaBuffer& operator=(CudaBuffer&& other) noexcept {
    CudaBuffer moved(std::move(other));
    swap(moved);
    return *this;
  }
  CudaBuffer(const CudaBuffer&) = delete;
  CudaBuffer& operator=(const CudaBuffer&) = delete;
  ~CudaBuffer() {
    if (place_) place_->memory.deallocate(data_, size_ * sizeof(T), place_->stream);
  }

  /// The first element, on the device; null if it was default-constructed.
  [[nodiscard]] T* data() noexcept { return data_; }
  [[nodiscard]] const T* data() const noexcept { return data_; }
  /// Elements, not bytes.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Sets all bytes to zero, in stream order. @throws CudaError
  void clear() {
    if (size_ == 0) return;
    check_cuda(cudaMemsetAsync(data_, 0, size_ * sizeof(T), place_->stream.get()),
               "cudaMemsetAsync");
  }

  /// Replaces the first elements, in stream order; the host's must stay until then. @throws
  /// CudaError
  void copy_from(std::span<const T> host) {
    if (host.empty()) return;
    check_cuda(cudaMemcpyAsync(data_, host.data(), host.size_bytes(), cudaMemcpyHostToDevice,
                               place_->stream.get()),
               "cudaMemcpyAsync");
  }

  /// Copies the first elements to the host, in stream order. @throws CudaError
  void copy_to(std::span<T> host) const {
    if (host.empty()) return;
    check_cuda(cudaMemcpyAsync(host.data(), data_, host.size_bytes(), cudaMemcpyDeviceToHost,
                               place_->stream.get()),
               "cudaMemcpyAsync");
  }

 private:
  struct Place {
    CudaMemory memory;
    CudaStream stream;
  };

  void swap(CudaBuffer& other) noexcept {
    std::swap(place_, other.place_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  std::optional<Place> place_;
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace reprise::inline v0
