// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <memory>

#include "engine/cpu.hpp"
#include "make_cpu.hpp"
#include "training.hpp"
#include "training_on.hpp"

namespace gpt {

std::unique_ptr<Training> training_on_cpu(Precision precision) {
  if (precision == Precision::bf16) return training_on_cpu_in_bfloat16();
  return std::make_unique<TrainingOn<MakeCpu<Cpu>>>();
}

}  // namespace gpt
