// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <cuda_runtime_api.h>

#include <memory>
#include <reprise/core/error.hpp>
#include <string>

#include "engine/cuda.cuh"
#include "make_cuda.cuh"
#include "training.hpp"
#include "training_on.hpp"

namespace gpt {

std::unique_ptr<Training> training_on_cuda(Precision precision) {
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error != cudaSuccess || devices == 0) {
    throw reprise::Error(std::string("--device cuda: there is no CUDA device (") +
                         cudaGetErrorString(error) + ")");
  }
  if (precision == Precision::bf16) return training_on_cuda_in_bfloat16();
  return std::make_unique<TrainingOn<MakeCuda<Cuda>>>();
}

}  // namespace gpt
