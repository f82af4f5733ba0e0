// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// An array in device memory that belongs to a stream.

#include <reprise/backend/cuda_memory.cuh>
#include <reprise/backend/cuda_runtime.cuh>
#include <reprise/backend/cuda_stream.cuh>
#include <reprise/backend/device_buffer.hpp>

namespace reprise::inline v0 {

/// `size()` elements in a GPU's memory, in the order of one stream.
template <class T>
using CudaBuffer = DeviceBuffer<T, CudaRuntime>;

}  // namespace reprise::inline v0
