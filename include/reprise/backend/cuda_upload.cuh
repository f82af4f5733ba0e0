// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Small tables from the host to a device, without a wait on either side.

#include <reprise/backend/cuda_runtime.cuh>
#include <reprise/backend/cuda_stream.cuh>
#include <reprise/backend/device_kernels.cuh>
#include <span>

namespace reprise::inline v0 {

/// Enqueues the copy of host elements to `out` on the device: `LaunchedKernels::upload`. For
/// tables; for more, `cudaMemcpyAsync` from pinned memory is faster. @throws CudaError
template <class T>
void upload_cuda(const CudaStream& stream, std::span<const T> host, T* out) {
  CudaRuntime::kernels::upload(stream, host, out);
}

}  // namespace reprise::inline v0
