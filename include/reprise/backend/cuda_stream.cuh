// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A stream, of the caller's or of its own.

#include <reprise/backend/cuda_runtime.cuh>
#include <reprise/backend/device_stream.hpp>

namespace reprise::inline v0 {

/// A stream of CUDA.
using CudaStream = DeviceStream<CudaRuntime>;

}  // namespace reprise::inline v0
