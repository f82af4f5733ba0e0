// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// An array in host memory that the device copies to without help of the host.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>
#include <reprise/backend/cuda_error.cuh>
#include <span>
#include <type_traits>

namespace reprise::inline v0 {

/// `size()` elements in page-locked host memory. Movable; default-constructed it holds nothing.
template <class T>
requires(std::is_trivially_copyable_v<T>) class PinnedBuffer {
 public:
  PinnedBuffer() noexcept = default;

  /// Elements without a value. @throws CudaError
  explicit PinnedBuffer(std::size_t size) : size_(size) {
    if (size == 0) return;
    void* memory = nullptr;
    check_cuda(cudaHostAlloc(&memory, size * sizeof(T), cudaHostAllocDefault), "cudaHostAlloc");
    data_.reset(static_cast<T*>(memory));
  }

  /// Elements; 0 after a move.
  [[nodiscard]] std::size_t size() const noexcept { return data_ ? size_ : 0; }
  /// All of them, which the device can copy from and to without a pause.
  [[nodiscard]] std::span<T> elements() noexcept { return {data_.get(), size()}; }
  [[nodiscard]] std::span<const T> elements() const noexcept { return {data_.get(), size()}; }

 private:
  struct Free {
    void operator()(T* data) const noexcept { ignore_cuda(cudaFreeHost(data)); }
  };
  std::unique_ptr<T[], Free> data_;
  std::size_t size_ = 0;
};

}  // namespace reprise::inline v0
