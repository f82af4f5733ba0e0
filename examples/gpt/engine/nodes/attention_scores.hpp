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

namespace attention_scores {

/// Hides the keys that come after the query.
template <class Element>
struct Mask {
  std::size_t context;
  Element* scores;

  template <class Team>
  GPT_KERNEL void operator()(const Team& team, std::size_t row) const {
    const std::size_t first = row % context + 1;
    Element* const hidden = scores + row * context + first;
    team.for_each(context - first,
                  [&](std::size_t key) { hidden[key] = -std::numeric_limits<float>::infinity(); });
  }
};

}  // namespace attention_scores

/// scores = q * k^T / sqrt(head channels), minus infinity where a key comes after the query.
template <class Device = Cpu>
class AttentionScores {
 public:
  using tensor_type = Tensor<Device>;
  using Element = typename Device::Element;
  static constexpr auto backward_reads = reprise::Reads::input;
  static constexpr auto linear = reprise::Reads::input;  // each gradient in one of the two

  explicit AttentionScores(AttentionShape shape) : shape_(shape) {}

  tensor_type forward(const tensor_type& q, const tensor_type& k, reprise::PassContext&) {
    const std::size_t context = shape_.context;
    tensor_type scores(q.memory(), q.rows() * shape_.heads, context);
    q.device().multiply({.transpose_b = true,
                         .m = context,
                         .n = context,
                         .k = shape_.head_channels(q),
                         .alpha = scale(q)},
                        batch(q, shape_.by_token(q), shape_.by_token(k), shape_.by_head()),
                        q.matrix(), k.matrix(), scores.matrix());
    scores.device().for_each_team(scores.rows(),
                                  attention_scores::Mask<Element>{context, scores.data()}, context);
    return scores;
  }

  /// The gradient of what the mask hides is zero: softmax sees to it.
  std::array<tensor_type, 2> backward(const tensor_type& q, const tensor_type& k,
                                      const tensor_type& dscores, reprise::PassContext&) {
    const std::size_t context = shape_.context;
    std::array<tensor_type, 2> gradients{make_like(q), make_like(k)};
    MatrixProduct product{
        .m = context, .n = shape_.head_channels(q), .k = context, .alpha = scale(q)};
    const ProductBatch heads = batch(q, shape_.by_head(), shape_.by_token(q), shape_.by_token(q));
    q.device().multiply(product, heads, dscores.matrix(), k.matrix(), gradients[0].matrix());
    product.transpose_a = true;
    q.device().multiply(product, heads, dscores.matrix(), q.matrix(), gradients[1].matrix());
    return gradients;
  }

  [[nodiscard]] reprise::NodeCosts costs(const tensor_type& q, const tensor_type&) const {
    return {.forward_flops = shape_.flops(q), .backward_flops = 2 * shape_.flops(q)};
  }

 private:
  [[nodiscard]] float scale(const tensor_type& q) const {
    return 1.0F / std::sqrt(static_cast<float>(shape_.head_channels(q)));
  }
  [[nodiscard]] ProductBatch batch(const tensor_type& q, ProductBatch::Step a, ProductBatch::Step b,
                                   ProductBatch::Step c) const {
    return {.outer = shape_.sequences(q), .inner = shape_.heads, .a = a, .b = b, .c = c};
  }

  AttentionShape shape_;
};

static_assert(reprise::Node<AttentionScores<>, 2>);

}  // namespace gpt
