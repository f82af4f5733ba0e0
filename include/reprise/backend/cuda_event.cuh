// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A point in a stream that others can wait for.

#include <reprise/backend/cuda_runtime.cuh>
#include <reprise/backend/device_event.hpp>

namespace reprise::inline v0 {

/// A point in a stream of CUDA.
using CudaEvent = DeviceEvent<CudaRuntime>;

}  // namespace reprise::inline v0
