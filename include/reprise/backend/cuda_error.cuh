// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A call to CUDA that failed, as an exception.

#include <reprise/backend/cuda_runtime.cuh>
#include <reprise/backend/device_error.hpp>

namespace reprise::inline v0 {

/// A CUDA call that failed.
using CudaError = DeviceError<CudaRuntime>;

/// Passes if the call succeeded. What it left as the thread's last error is taken away, so that
/// nobody else finds it.
/// @throws CudaError otherwise
inline void check_cuda(cudaError_t code, const char* call) {
  check_device<CudaRuntime>(code, call);
}

/// What became of a call does not matter, as in destructors: after a sticky error they all fail.
inline void ignore_cuda(cudaError_t code) noexcept { ignore_device<CudaRuntime>(code); }

}  // namespace reprise::inline v0
