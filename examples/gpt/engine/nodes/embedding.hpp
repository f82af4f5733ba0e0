// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The first node: token and position embeddings.

#include <cstddef>
#include <cstdint>
#include <reprise/core/node.hpp>
#include <span>

#include "engine/batches.hpp"
#include "engine/column_sums.hpp"
#include "engine/parameters.hpp"
#include "engine/tensor.hpp"

namespace gpt {

/// y[r] = token_table[token r] + position_table[r mod context], for the tokens of the pass's batch.
class Embedding {
 public:
  using tensor_type = Tensor;

  Embedding(Memory& memory, const Batches& batches, Parameter tokens, Parameter positions,
            std::size_t channels)
      : memory_(&memory),
        batches_(&batches),
        tokens_(tokens),
        positions_(positions),
        channels_(channels) {}

  Tensor forward(reprise::PassContext& pass) {
    const auto& tokens = batches_->of(pass).tokens;
    Tensor y(*memory_, tokens.size(), channels_);
    for_each_index(tokens.size(),
                   Lookup{tokens.data(), tokens_.values.data(), positions_.values.data(), channels_,
                          context(), y.data()},
                   channels_);
    return y;
  }

  void backward(const Tensor& dy, reprise::PassContext& pass) {
    const auto& tokens = batches_->of(pass).tokens;
    for_each_index(column_chunks(channels_),
                   Scatter{tokens.data(), dy.data(), dy.rows(), channels_, context(),
                           tokens_.gradients.data(), positions_.gradients.data()},
                   dy.rows() * columns_a_chunk);
  }

  [[nodiscard]] reprise::NodeCosts costs() const {
    const auto additions = static_cast<double>(batch_elements());
    return {.forward_flops = additions, .backward_flops = 2 * additions};
  }

  template <class F>
  void for_each_gradient(F&& f) {
    f(tokens_.gradients);
    f(positions_.gradients);
  }

 private:
  struct Lookup {
    const std::uint8_t* tokens;
    const float* token_table;
    const float* position_table;
    std::size_t channels;
    std::size_t context;
    float* y;

    GPT_KERNEL void operator()(std::size_t row) const {
      const float* const token = token_table + tokens[row] * channels;
      const float* const position = position_table + row % context * channels;
      for (std::size_t j = 0; j < channels; ++j) y[row * channels + j] = token[j] + position[j];
    }
  };

  /// An index owns columns of both tables, so that rows of one token add up in one order.
  struct Scatter {
    const std::uint8_t* tokens;
    const float* dy;
    std::size_t rows;
    std::size_t channels;
    std::size_t context;
    float* token_gradients;
    float* position_gradients;

    GPT_KERNEL void operator()(std::size_t index) const {
      const auto [first, width] = ColumnChunk(index, channels);
      for (std::size_t row = 0; row < rows; ++row) {
        float* const token = token_gradients + tokens[row] * channels;
        float* const position = position_gradients + row % context * channels;
        for (std::size_t j = first; j < first + width; ++j) {
          token[j] += dy[row * channels + j];
          position[j] += dy[row * channels + j];
        }
      }
    }
  };

  [[nodiscard]] std::size_t context() const { return positions_.values.size() / channels_; }
  [[nodiscard]] std::size_t batch_elements() const {
    return batches_->training.empty() ? 0 : batches_->training.front().tokens.size() * channels_;
  }

  Memory* memory_;
  const Batches* batches_;
  Parameter tokens_;
  Parameter positions_;
  std::size_t channels_;
};

static_assert(reprise::Node<Embedding, 0>);

}  // namespace gpt
