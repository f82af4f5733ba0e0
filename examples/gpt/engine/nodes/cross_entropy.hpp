// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The loss.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <reprise/core/node.hpp>

#include "engine/batches.hpp"
#include "engine/tensor.hpp"

namespace gpt {

/// The mean over all tokens of -log(softmax(logits)[target]), as a tensor of one element.
class CrossEntropy {
 public:
  using tensor_type = Tensor;
  /// For each row the logarithm of the sum of exp(logits).
  struct saved_type {
    Tensor log_sums;
  };
  static constexpr auto backward_reads = reprise::Reads::input;

  explicit CrossEntropy(const Batches& batches) : batches_(&batches) {}

  Tensor forward(const Tensor& logits, saved_type& saved, reprise::PassContext& pass) {
    saved.log_sums = Tensor(logits.memory(), logits.rows(), 1);
    Tensor loss(logits.memory(), 1, 1);
    for_each_index(logits.rows(), LogSums{logits.data(), logits.columns(), saved.log_sums.data()},
                   8 * logits.columns());
    for_each_index(1, Mean{logits.data(), batches_->of(pass).targets.data(), logits.rows(),
                           logits.columns(), saved.log_sums.data(), loss.data()});
    return loss;
  }

  Tensor backward(const Tensor& logits, saved_type& saved, const Tensor& dloss,
                  reprise::PassContext& pass) {
    Tensor dlogits = make_like(logits);
    for_each_index(logits.rows(),
                   Gradient{logits.data(), batches_->of(pass).targets.data(), logits.columns(),
                            saved.log_sums.data(), dloss.data(),
                            1.0F / static_cast<float>(logits.rows()), dlogits.data()},
                   8 * logits.columns());
    return dlogits;
  }

  [[nodiscard]] reprise::NodeCosts costs(const Tensor& logits) const {
    const auto elements = static_cast<double>(logits.size());
    return {.forward_flops = 4 * elements, .backward_flops = 4 * elements};
  }

 private:
  struct LogSums {
    const float* logits;
    std::size_t columns;
    float* log_sums;

    GPT_KERNEL void operator()(std::size_t row) const {
      const float* const at = logits + row * columns;
      float largest = at[0];
      for (std::size_t j = 1; j < columns; ++j) largest = at[j] > largest ? at[j] : largest;
      float sum = 0;
      for (std::size_t j = 0; j < columns; ++j) sum += std::exp(at[j] - largest);
      log_sums[row] = largest + std::log(sum);
    }
  };

  /// One index: the rows are few, and the order of the sum is fixed.
  struct Mean {
    const float* logits;
    const std::uint8_t* targets;
    std::size_t rows;
    std::size_t columns;
    const float* log_sums;
    float* loss;

    GPT_KERNEL void operator()(std::size_t) const {
      double sum = 0;
      for (std::size_t row = 0; row < rows; ++row) {
        sum += static_cast<double>(log_sums[row] - logits[row * columns + targets[row]]);
      }
      *loss = static_cast<float>(sum / static_cast<double>(rows));
    }
  };

  struct Gradient {
    const float* logits;
    const std::uint8_t* targets;
    std::size_t columns;
    const float* log_sums;
    const float* dloss;
    float share;
    float* dlogits;

    GPT_KERNEL void operator()(std::size_t row) const {
      const float* const from = logits + row * columns;
      float* const to = dlogits + row * columns;
      const float scale = *dloss * share;
      for (std::size_t j = 0; j < columns; ++j) to[j] = scale * std::exp(from[j] - log_sums[row]);
      to[targets[row]] -= scale;
    }
  };

  const Batches* batches_;
};

static_assert(reprise::Node<CrossEntropy>);

}  // namespace gpt
