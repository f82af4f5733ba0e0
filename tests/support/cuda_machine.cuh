// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What typed tests need to know of a GPU.

#include <cuda_runtime.h>
#include <doctest/doctest.h>

#include <cstddef>
#include <new>
#include <reprise/backend/cuda.cuh>

#include "support/backends.hpp"

namespace reprise_test {

/// Memory that host and device both reach, so that tests write their gradients as ever.
template <class T>
struct ManagedAllocator {
  using value_type = T;

  ManagedAllocator() = default;
  template <class U>
  ManagedAllocator(const ManagedAllocator<U>& /*other*/) noexcept {}

  [[nodiscard]] T* allocate(std::size_t size) {
    void* memory = nullptr;
    if (cudaMallocManaged(&memory, size * sizeof(T)) != cudaSuccess) throw std::bad_alloc();
    return static_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t /*size*/) noexcept {
    static_cast<void>(cudaFree(memory));  // waits for the device
  }
  friend bool operator==(const ManagedAllocator&, const ManagedAllocator&) noexcept { return true; }
};

template <class Tuning>
struct Machine<reprise::BasicCudaBackend<Tuning>> {
  using reference = reprise::BasicCudaBackend<Tuning>;
  template <class T>
  using allocator = ManagedAllocator<T>;
  static constexpr double sum_error = float_sum_error<Tuning>;
  static constexpr bool squares_in_float = true;
  static void wait() { REQUIRE(cudaDeviceSynchronize() == cudaSuccess); }
};

}  // namespace reprise_test

TYPE_TO_STRING(reprise::CudaBackend);
