// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How long CUDA's operations take.

#include <reprise/backend/cuda_runtime.cuh>
#include <reprise/backend/device_clock.hpp>

namespace reprise::inline v0 {

/// DeviceClock of CUDA, see there. Not yet run on a GPU.
using CudaClock = DeviceClock<CudaRuntime>;

}  // namespace reprise::inline v0
