// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <memory>

#include "engine/cuda.cuh"
#include "engine/in_bfloat16.hpp"
#include "make_cuda.cuh"
#include "training.hpp"
#include "training_on.hpp"

namespace gpt {

std::unique_ptr<Training> training_on_cuda_in_bfloat16() {
  return std::make_unique<TrainingOn<MakeCuda<InBfloat16<Cuda>>>>();
}

}  // namespace gpt
