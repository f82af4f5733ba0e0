// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Elements that a stream may use, for as long as the host enqueues work on them.

#include <reprise/backend/cuda_runtime.cuh>
#include <reprise/backend/device_stream_access.hpp>

namespace reprise::inline v0 {

/// Elements of a CudaTensor that one stream may use.
template <class T>
using StreamAccess = DeviceStreamAccess<T, CudaRuntime>;

}  // namespace reprise::inline v0
