// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <memory>
#include <string>

#include "engine/cpu.hpp"
#include "engine/in_bfloat16.hpp"
#include "engine/threads.hpp"
#include "training.hpp"
#include "training_on.hpp"

namespace gpt {
namespace {

template <class Device>
struct MakeCpu {
  Device operator()(const Options&) const { return {}; }
  static std::string name() { return std::to_string(threads()) + " threads"; }
};

}  // namespace

std::unique_ptr<Training> training_on_cpu(Precision precision) {
  if (precision == Precision::bf16) {
    return std::make_unique<TrainingOn<MakeCpu<InBfloat16<Cpu>>>>();
  }
  return std::make_unique<TrainingOn<MakeCpu<Cpu>>>();
}

}  // namespace gpt
