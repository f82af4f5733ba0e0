// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The backend for tensors in a GPU's memory.

#include <reprise/backend/backend.hpp>
#include <reprise/backend/block_reduction.hpp>
#include <reprise/backend/cuda_buffer.cuh>
#include <reprise/backend/cuda_clock.cuh>
#include <reprise/backend/cuda_error.cuh>
#include <reprise/backend/cuda_event.cuh>
#include <reprise/backend/cuda_launch.cuh>
#include <reprise/backend/cuda_memory.cuh>
#include <reprise/backend/cuda_runtime.cuh>
#include <reprise/backend/cuda_stream.cuh>
#include <reprise/backend/cuda_sum_of_squares.cuh>
#include <reprise/backend/cuda_upload.cuh>
#include <reprise/backend/device_backend.hpp>
#include <reprise/backend/device_kernels.cuh>
#include <reprise/backend/pinned_buffer.cuh>

namespace reprise::inline v0 {

/// The backend for tensors in a GPU's memory. Not yet run on a GPU.
/// @tparam Tuning a ReductionTuning
template <class Tuning = DefaultReductionTuning>
using BasicCudaBackend = DeviceBackend<CudaRuntime, Tuning>;

/// The CUDA backend with the default tuning.
using CudaBackend = BasicCudaBackend<>;
static_assert(Backend<CudaBackend>);
static_assert(DeviceKernels<CudaRuntime::kernels, CudaRuntime>);

}  // namespace reprise::inline v0
