// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The driver's own stream-ordered memory.

#include <reprise/backend/cuda_runtime.cuh>
#include <reprise/backend/device_pool.hpp>
#include <reprise/backend/stream_ordered_resource.cuh>

namespace reprise::inline v0 {

/// A pool behind `cudaMallocAsync`. Models StreamOrderedResource.
using CudaPool = DevicePool<CudaRuntime>;
static_assert(StreamOrderedResource<CudaPool>);

}  // namespace reprise::inline v0
