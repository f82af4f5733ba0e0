// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// An array in host memory that the device copies to without help of the host.

#include <reprise/backend/cuda_runtime.cuh>
#include <reprise/backend/device_pinned_buffer.hpp>

namespace reprise::inline v0 {

/// `size()` elements in host memory that CUDA has page-locked.
template <class T>
using PinnedBuffer = DevicePinnedBuffer<T, CudaRuntime>;

}  // namespace reprise::inline v0
