// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The sums of squares of many tensors at once, on a GPU.

#include <reprise/backend/block_reduction.hpp>
#include <reprise/backend/cuda_runtime.cuh>
#include <reprise/backend/device_kernels.cuh>
#include <reprise/backend/device_sum_of_squares.hpp>

namespace reprise::inline v0 {

/// The sums of squares of registered tensors, by layer. Not yet run on a GPU; tests play the
/// kernels' bodies on the host.
template <class Tuning = DefaultReductionTuning>
using CudaSumOfSquares = DeviceSumOfSquares<CudaRuntime, Tuning>;

}  // namespace reprise::inline v0
