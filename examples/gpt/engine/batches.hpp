// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The tokens that a step trains on.

#include <cstddef>
#include <cstdint>
#include <reprise/core/pass_context.hpp>
#include <vector>

#include "engine/cpu.hpp"

namespace gpt {

/// Sequences of tokens one after the other, and for each token the one that follows it.
template <class Device = Cpu>
struct TokenBatch {
  typename Device::template Buffer<std::uint8_t> tokens;
  typename Device::template Buffer<std::uint8_t> targets;
};

/// The batches of the current step. The first and the last node of the model read them.
template <class Device = Cpu>
class Batches {
 public:
  /// One for each micro-batch of the step.
  std::vector<TokenBatch<Device>> training;
  /// What a pass without backward reads.
  TokenBatch<Device> evaluation;

  [[nodiscard]] const TokenBatch<Device>& of(const reprise::PassContext& pass) const {
    if (!pass.is_training()) return evaluation;
    return training.at(static_cast<std::size_t>(pass.micro_batch()));
  }
};

}  // namespace gpt
