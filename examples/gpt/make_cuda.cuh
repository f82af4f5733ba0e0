// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Makes the GPU that a model is trained on.

#include <cuda_runtime_api.h>

#include <reprise/backend/cuda_error.cuh>
#include <string>

#include "options.hpp"

namespace gpt {

/// What `TrainingOn` asks for a device: the current one.
/// @tparam Device `Cuda`, or one that stores its tensors otherwise
template <class Device>
struct MakeCuda {
  Device operator()(const Options& options) const { return Device(options.precision); }
  static std::string name() {
    int device = 0;
    reprise::check_cuda(cudaGetDevice(&device), "cudaGetDevice");
    cudaDeviceProp properties{};
    reprise::check_cuda(cudaGetDeviceProperties(&properties, device), "cudaGetDeviceProperties");
    return properties.name;
  }
};

}  // namespace gpt
