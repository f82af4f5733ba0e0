// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Text cut into batches.

#include <cstddef>
#include <cstdint>
#include <reprise/core/error.hpp>
#include <reprise/core/hash.hpp>
#include <reprise/core/philox.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/batches.hpp"

namespace gpt {

/// A text whose last tenth is for validation. The same seed gives the same batches.
class Corpus {
 public:
  /// @throws reprise::InvalidArgument if a part is shorter than one sequence.
  Corpus(std::vector<std::uint8_t> text, std::size_t context, std::uint64_t seed)
      : text_(std::move(text)), context_(context), seed_(seed), split_(text_.size() / 10 * 9) {
    if (validation().size() <= context || training().size() <= context) {
      throw reprise::InvalidArgument("the text is too short: " + std::to_string(text_.size()) +
                                     " bytes, and a context of " + std::to_string(context) +
                                     " needs about " + std::to_string(10 * (context + 1)));
    }
  }

  [[nodiscard]] std::size_t size() const noexcept { return text_.size(); }

  /// Micro-batch number `index`, counted over all steps.
  [[nodiscard]] TokenBatch<> training_batch(std::uint64_t index, std::size_t sequences) const {
    return sample(training(), {reprise::hash_combine(seed_, training_stream), index}, sequences);
  }
  /// Validation batch number `index`: the same whatever the seed.
  [[nodiscard]] TokenBatch<> validation_batch(std::uint64_t index, std::size_t sequences) const {
    return sample(validation(), {validation_stream, index}, sequences);
  }

 private:
  static constexpr std::uint64_t training_stream = 1;
  static constexpr std::uint64_t validation_stream = 2;

  [[nodiscard]] std::span<const std::uint8_t> training() const {
    return std::span(text_).first(split_);
  }
  [[nodiscard]] std::span<const std::uint8_t> validation() const {
    return std::span(text_).subspan(split_);
  }

  [[nodiscard]] TokenBatch<> sample(std::span<const std::uint8_t> part, reprise::Philox random,
                                    std::size_t sequences) const {
    TokenBatch<> batch;
    for (std::size_t sequence = 0; sequence < sequences; ++sequence) {
      const auto words = random.block(sequence);
      const std::uint64_t number = std::uint64_t{words[0]} << 32U | words[1];
      const std::size_t start = number % (part.size() - context_);
      const auto tokens = part.subspan(start, context_);
      const auto targets = part.subspan(start + 1, context_);
      batch.tokens.insert(batch.tokens.end(), tokens.begin(), tokens.end());
      batch.targets.insert(batch.targets.end(), targets.begin(), targets.end());
    }
    return batch;
  }

  std::vector<std::uint8_t> text_;
  std::size_t context_;
  std::uint64_t seed_;
  std::size_t split_;
};

}  // namespace gpt
