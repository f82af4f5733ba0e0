// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a GPU takes for a team of threads.

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <cub/block/block_reduce.cuh>
#include <limits>
#include <nv/target>
#include <type_traits>

namespace gpt {

/// The block that a kernel runs in, one-dimensional and of so many threads: OneThread says what its
/// functions do. On a host they do nothing.
template <std::uint32_t Threads>
struct CudaTeam {
  static constexpr std::uint32_t threads = Threads;

  template <class F>
  __host__ __device__ void for_each(std::size_t n, F f) const {
    NV_IF_TARGET(NV_IS_DEVICE, (for (std::size_t i = threadIdx.x; i < n; i += Threads) f(i);))
  }

  template <class F>
  [[nodiscard]] __host__ __device__ auto sum(std::size_t n, F f) const {
    using Sum = std::decay_t<decltype(f(n))>;
    Sum total{};
    for_each(n, [&](std::size_t i) { total = total + f(i); });
    return combine(total, [](const Sum& a, const Sum& b) { return a + b; });
  }

  template <class F>
  [[nodiscard]] __host__ __device__ float max(std::size_t n, F f) const {
    const auto larger = [](float a, float b) { return b > a ? b : a; };
    float largest = -std::numeric_limits<float>::infinity();
    for_each(n, [&](std::size_t i) { largest = larger(largest, f(i)); });
    return combine(largest, larger);
  }

  template <class F>
  __host__ __device__ void once(F f) const {
    NV_IF_TARGET(NV_IS_DEVICE, (if (threadIdx.x == 0) f();))
  }

 private:
  /// What all threads' values come to, in each thread.
  template <class T, class Operation>
  static __host__ __device__ T combine(T value, Operation operation) {
    using Reduce =
        cub::BlockReduce<T, static_cast<int>(Threads), cub::BLOCK_REDUCE_WARP_REDUCTIONS>;
    NV_IF_TARGET(NV_IS_DEVICE,
                 (__shared__ typename Reduce::TempStorage storage; __shared__ T shared;
                  const T total = Reduce(storage).Reduce(value, operation);
                  if (threadIdx.x == 0) shared = total; __syncthreads(); value = shared;
                  __syncthreads();))  // both are used again
    return value;
  }
};

}  // namespace gpt
