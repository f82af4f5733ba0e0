// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A device's block of threads and its way to elements, for the kernels in `block_reduction.hpp`.

#include <cuda_fp16.h>
#include <cuda_runtime.h>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cub/block/block_reduce.cuh>
#include <nv/target>
#include <reprise/backend/block_reduction.hpp>
#include <reprise/backend/element_type.hpp>

#ifndef __CUDACC_RELAXED_CONSTEXPR__
#error "Reprise's kernels are constexpr functions: compile with nvcc --expt-relaxed-constexpr"
#endif

namespace reprise::inline v0 {

/// Loads as the device has them: 16 bytes in one instruction, past what it keeps for writing. On a
/// host it is HostAccess. Models ElementAccess.
struct CudaAccess {
  /// 16 bytes at a multiple of 16, which nothing may write while the kernel runs.
  [[nodiscard]] static __host__ __device__ Packet load(const std::byte* from) noexcept {
    NV_IF_TARGET(NV_IS_DEVICE,
                 (const uint4 words = __ldg(reinterpret_cast<const uint4*>(from));
                  return Packet{{words.x, words.y, words.z, words.w}};),
                 (return HostAccess::load(from);))
  }
  /// One element at any multiple of its size.
  template <Element T>
  [[nodiscard]] static __host__ __device__ T load_element(const std::byte* from) noexcept {
    NV_IF_TARGET(NV_IS_DEVICE, (return *reinterpret_cast<const T*>(from);),
                 (return HostAccess::load_element<T>(from);))
  }
  /// The value, exactly.
  [[nodiscard]] static __host__ __device__ float widen(float16 half) noexcept {
    NV_IF_TARGET(NV_IS_DEVICE, (return __half2float(__ushort_as_half(half.bits));),
                 (return HostAccess::widen(half);))
  }
  /// a b + c, rounded once.
  template <std::floating_point F>
  [[nodiscard]] static __host__ __device__ F multiply_add(F a, F b, F c) noexcept {
    return std::fma(a, b, c);
  }
};
static_assert(ElementAccess<CudaAccess>);

/// The block that a kernel runs in, one-dimensional and of so many threads, with CUB's reduction.
/// Models ThreadBlock; on a host it does nothing.
template <std::uint32_t Threads>
struct CudaBlock {
  static constexpr std::uint32_t threads = Threads;  ///< of the block

  /// `out` becomes the sum of `f(thread)` over all threads, in CUB's order for a block of this
  /// size.
  template <class F>
  __host__ __device__ void sum(F f, double& out) const {
    using Reduce =
        cub::BlockReduce<double, static_cast<int>(Threads), cub::BLOCK_REDUCE_WARP_REDUCTIONS>;
    NV_IF_TARGET(NV_IS_DEVICE, (__shared__ typename Reduce::TempStorage storage;
                                const double total = Reduce(storage).Sum(f(threadIdx.x));
                                if (threadIdx.x == 0) out = total;))
  }
  /// Whether `f(thread)` is true in all threads; a barrier.
  template <class F>
  [[nodiscard]] __host__ __device__ bool all(F f) const {
    NV_IF_TARGET(NV_IS_DEVICE, (return __syncthreads_and(f(threadIdx.x)) != 0;), (return false;))
  }
  /// Calls `f(thread)` in each thread; no barrier.
  template <class F>
  __host__ __device__ void each(F f) const {
    NV_IF_TARGET(NV_IS_DEVICE, (f(threadIdx.x);))
  }
};
static_assert(ThreadBlock<CudaBlock<32>>);

}  // namespace reprise::inline v0
