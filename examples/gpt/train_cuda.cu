// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <cuda_runtime_api.h>

#include <memory>
#include <reprise/backend/cuda_error.cuh>
#include <reprise/core/error.hpp>
#include <string>

#include "engine/cuda.cuh"
#include "engine/in_bfloat16.hpp"
#include "training.hpp"
#include "training_on.hpp"

namespace gpt {
namespace {

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

}  // namespace

std::unique_ptr<Training> training_on_cuda(Precision precision) {
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error != cudaSuccess || devices == 0) {
    throw reprise::Error(std::string("--device cuda: there is no CUDA device (") +
                         cudaGetErrorString(error) + ")");
  }
  if (precision == Precision::bf16) {
    return std::make_unique<TrainingOn<MakeCuda<InBfloat16<Cuda>>>>();
  }
  return std::make_unique<TrainingOn<MakeCuda<Cuda>>>();
}

}  // namespace gpt
