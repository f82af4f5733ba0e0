// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Small tables from the host to a device, without a wait on either side.

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <reprise/backend/cuda_launch.cuh>
#include <reprise/backend/cuda_stream.cuh>
#include <span>
#include <type_traits>

namespace reprise::inline v0 {

namespace kernels {

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

/// Enqueues the copy of host elements to `out` on the device, a kernel for each 4,000 bytes:
/// kernels take their parameters with them, so that the host's memory may go at once, nothing is
/// staged or waited for, and a capture holds the elements as they are now. For tables; for more,
/// `cudaMemcpyAsync` from pinned memory is faster. @throws CudaError
template <class T>
void upload_cuda(const CudaStream& stream, std::span<const T> host, T* out) {
  static_assert(std::is_trivially_copyable_v<T>);
  using Parcel = kernels::Parcel<T>;
  for (std::size_t at = 0; at < host.size(); at += Parcel::size) {
    const auto part = host.subspan(at, std::min(Parcel::size, host.size() - at));
    Parcel parcel{};
    std::copy(part.begin(), part.end(), parcel.elements);
    launch_cuda(stream, "unpack", {1, 256}, kernels::unpack<T>, parcel,
                static_cast<std::uint32_t>(part.size()), out + at);
  }
}

}  // namespace reprise::inline v0
