// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The kernels, for runtimes that compile CUDA's language.

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <reprise/backend/backend.hpp>
#include <reprise/backend/block_reduction.hpp>
#include <reprise/backend/chunk_table.hpp>
#include <reprise/backend/cuda_block.cuh>
#include <reprise/backend/device_kernels.hpp>
#include <reprise/backend/device_stream.hpp>
#include <span>
#include <type_traits>

namespace reprise::inline v0 {

namespace kernels {

/// Threads of the block that folds a step.
inline constexpr std::uint32_t update_threads = 512;

/// Folds the sums of one step into the moments.
template <class Smoothing, NormFactor Factor>
__global__ __launch_bounds__(update_threads) void update_average(Smoothing smoothing, Factor factor,
                                                                 StatisticsLayout layout,
                                                                 const double* sums,
                                                                 double* moments,
                                                                 double* statistics) {
  update_step(CudaBlock<update_threads>{}, smoothing, factor, layout, sums, moments, statistics);
}

/// Takes each chunk to the sum of its squares, a block a chunk.
template <class Tuning>
__global__ __launch_bounds__(Tuning::chunk_threads,
                             Tuning::chunk_blocks) void reduce_chunks(const Chunk* chunks,
                                                                      double* chunk_sums) {
  reduce_chunk<Tuning, CudaAccess>(CudaBlock<Tuning::chunk_threads>{}, chunks[blockIdx.x],
                                   chunk_sums[blockIdx.x]);
}

/// Adds up the sums of each layer's chunks, a block a layer.
template <class Tuning>
__global__ __launch_bounds__(Tuning::layer_threads) void reduce_layers(
    const double* chunk_sums, const std::uint32_t* first_chunk, double* sums) {
  reduce_layer(CudaBlock<Tuning::layer_threads>{}, chunk_sums, first_chunk[blockIdx.x],
               first_chunk[blockIdx.x + 1], sums[blockIdx.x]);
}

/// As many elements as a kernel's parameters hold beside two more.
template <class T>
struct Parcel {
  static constexpr std::size_t size = 4000 / sizeof(T);
  T elements[size];
};

/// Puts down what came as a parameter.
template <class T>
__global__ void unpack(const __grid_constant__ Parcel<T> parcel, std::uint32_t count, T* out) {
  for (std::uint32_t i = threadIdx.x; i < count; i += blockDim.x) out[i] = parcel.elements[i];
}

}  // namespace kernels

/// The kernels of a runtime that launches what a compiler of CUDA's language made: by
/// `R::launch(stream, name, blocks, threads, kernel, arguments...)`. Models DeviceKernels.
/// @tparam R the device runtime
template <class R>
struct LaunchedKernels {
  /// Enqueues the copy of host elements to `out` on the device, a kernel for each 4,000 bytes:
  /// kernels take their parameters with them, so that the host's memory may go at once, nothing is
  /// staged or waited for, and a capture holds the elements as they are now. @throws DeviceError
  template <class T>
  static void upload(const DeviceStream<R>& stream, std::span<const T> host, T* out) {
    static_assert(std::is_trivially_copyable_v<T>);
    using Parcel = kernels::Parcel<T>;
    for (std::size_t at = 0; at < host.size(); at += Parcel::size) {
      const auto part = host.subspan(at, std::min(Parcel::size, host.size() - at));
      Parcel parcel{};
      std::copy(part.begin(), part.end(), parcel.elements);
      R::launch(stream.get(), "unpack", 1, 256, kernels::unpack<T>, parcel,
                static_cast<std::uint32_t>(part.size()), out + at);
    }
  }

  /// A block a chunk. @throws DeviceError
  template <class Tuning>
  static void reduce_chunks(const DeviceStream<R>& stream, std::uint32_t count, const Chunk* chunks,
                            double* chunk_sums) {
    R::launch(stream.get(), "reduce_chunks", count, Tuning::chunk_threads,
              kernels::reduce_chunks<Tuning>, chunks, chunk_sums);
  }

  /// A block a layer. @throws DeviceError
  template <class Tuning>
  static void reduce_layers(const DeviceStream<R>& stream, std::uint32_t count,
                            const double* chunk_sums, const std::uint32_t* first_chunk,
                            double* sums) {
    R::launch(stream.get(), "reduce_layers", count, Tuning::layer_threads,
              kernels::reduce_layers<Tuning>, chunk_sums, first_chunk, sums);
  }

  /// One block. @throws DeviceError
  template <class Smoothing, NormFactor Factor>
  static void update_average(const DeviceStream<R>& stream, const Smoothing& smoothing,
                             const Factor& factor, StatisticsLayout layout, const double* sums,
                             double* moments, double* statistics) {
    R::launch(stream.get(), "update_average", 1, kernels::update_threads,
              kernels::update_average<Smoothing, Factor>, smoothing, factor, layout, sums, moments,
              statistics);
  }

  /// Adds elements to others; `cuda_tensor.cuh` defines it. @throws DeviceError
  template <class T>
  static void add(const DeviceStream<R>& stream, std::size_t size, T* into, const T* part);
};

}  // namespace reprise::inline v0
