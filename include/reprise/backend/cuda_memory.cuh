// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Where device memory comes from, whatever the resource behind it.

#include <reprise/backend/cuda_pool.cuh>
#include <reprise/backend/cuda_runtime.cuh>
#include <reprise/backend/cuda_stream.cuh>
#include <reprise/backend/device_memory.hpp>
#include <reprise/backend/stream_ordered_resource.cuh>

namespace reprise::inline v0 {

/// A handle to a StreamOrderedResource that makes room and tries again before it gives up.
using CudaMemory = DeviceMemory<CudaRuntime>;

}  // namespace reprise::inline v0
