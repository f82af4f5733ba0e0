// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Attention's scores under the causal mask.

#include <array>
#include <cmath>
#include <cstddef>
#include <limits>
#include <reprise/core/node.hpp>

#include "engine/nodes/attention_shape.hpp"

namespace gpt {

/// scores = q * k^T / sqrt(head channels), minus infinity where a key comes after the query.
class AttentionScores {
 public:
  using tensor_type = Tensor;
  static constexpr auto backward_reads = reprise::Reads::input;

  explicit AttentionScores(AttentionShape shape) : shape_(shape) {}

  Tensor forward(const Tensor& q, const Tensor& k, reprise::PassContext&) {
    const std::size_t context = shape_.context;
    Tensor scores(q.memory(), q.rows() * shape_.heads, context);
    multiply({.transpose_b = true,
              .m = context,
              .n = context,
              .k = shape_.head_channels(q),
              .alpha = scale(q)},
             batch(q, shape_.by_token(q), shape_.by_token(k), shape_.by_head()),
             {q.data(), q.columns()}, {k.data(), k.columns()}, {scores.data(), context});
    for_each_index(scores.rows(), Mask{context, scores.data()}, context);
    return scores;
  }

  /// The gradient of what the mask hides is zero: softmax sees to it.
  std::array<Tensor, 2> backward(const Tensor& q, const Tensor& k, const Tensor& dscores,
                                 reprise::PassContext&) {
    const std::size_t context = shape_.context;
    std::array<Tensor, 2> gradients{make_like(q), make_like(k)};
    MatrixProduct product{
        .m = context, .n = shape_.head_channels(q), .k = context, .alpha = scale(q)};
    const ProductBatch heads = batch(q, shape_.by_head(), shape_.by_token(q), shape_.by_token(q));
    multiply(product, heads, {dscores.data(), context}, {k.data(), k.columns()},
             {gradients[0].data(), q.columns()});
    product.transpose_a = true;
    multiply(product, heads, {dscores.data(), context}, {q.data(), q.columns()},
             {gradients[1].data(), q.columns()});
    return gradients;
  }

  [[nodiscard]] reprise::NodeCosts costs(const Tensor& q, const Tensor&) const {
    return {.forward_flops = shape_.flops(q), .backward_flops = 2 * shape_.flops(q)};
  }

 private:
  struct Mask {
    std::size_t context;
    float* scores;

    GPT_KERNEL void operator()(std::size_t row) const {
      for (std::size_t key = row % context + 1; key < context; ++key) {
        scores[row * context + key] = -std::numeric_limits<float>::infinity();
      }
    }
  };

  [[nodiscard]] float scale(const Tensor& q) const {
    return 1.0F / std::sqrt(static_cast<float>(shape_.head_channels(q)));
  }
  [[nodiscard]] ProductBatch batch(const Tensor& q, ProductBatch::Step a, ProductBatch::Step b,
                                   ProductBatch::Step c) const {
    return {.outer = shape_.sequences(q), .inner = shape_.heads, .a = a, .b = b, .c = c};
  }

  AttentionShape shape_;
};

static_assert(reprise::Node<AttentionScores, 2>);

}  // namespace gpt
