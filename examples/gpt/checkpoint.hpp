// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// All that training resumes with.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/adam_w.hpp"
#include "engine/model.hpp"

namespace gpt {

/// The state of training after a step.
struct Checkpoint {
  ModelShape shape{};
  std::uint64_t element_bytes = sizeof(float);  ///< of the tensors in training
  std::uint64_t step = 0;
  std::vector<std::vector<float>> parameters{};  ///< as the optimiser has them
  std::vector<AdamW<>::Moments> moments{};
  std::string decisions{};  ///< tracker, scheduler and net, as they write themselves
};

/// Puts a checkpoint in the place of what is at `path`, as a whole or not at all (OutputFile).
/// @throws reprise::Error if it cannot.
void write_checkpoint(const std::string& path, const Checkpoint& checkpoint);

/// Reads a checkpoint of a model of this shape and with such tensors, whatever device it was
/// trained on. Decisions count bytes, so that those of tensors of another size are none.
/// @param sizes of the model's parameters
/// @throws reprise::CorruptState if it is truncated, damaged or of another model or precision;
/// reprise::Error if it cannot be read.
[[nodiscard]] Checkpoint read_checkpoint(const std::string& path, const ModelShape& shape,
                                         std::uint64_t element_bytes,
                                         std::span<const std::size_t> sizes);

}  // namespace gpt
