// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A tensor in a GPU's memory that a store can hold.

#include <cuda_runtime.h>

#include <cstddef>
#include <cub/device/device_for.cuh>
#include <reprise/backend/cuda_runtime.cuh>
#include <reprise/backend/device_kernels.cuh>
#include <reprise/backend/device_stream.hpp>
#include <reprise/backend/device_tensor.hpp>
#include <reprise/core/tensor.hpp>

namespace reprise::inline v0 {

/// A row of elements in a GPU's memory. Not yet run on a GPU.
template <class T>
using CudaTensor = DeviceTensor<T, CudaRuntime>;

namespace kernels {

/// Adds an element to another.
template <class T>
struct AddElement {
  T* into;
  const T* part;
  __device__ void operator()(std::size_t i) const { into[i] += part[i]; }
};

}  // namespace kernels

template <class R>
template <class T>
void LaunchedKernels<R>::add(const DeviceStream<R>& stream, std::size_t size, T* into,
                             const T* part) {
  check_device<R>(cub::DeviceFor::Bulk(size, kernels::AddElement<T>{into, part}, stream.get()),
                  "cub::DeviceFor::Bulk");
}

static_assert(ChecksummableTensor<CudaTensor<float>>);

}  // namespace reprise::inline v0
