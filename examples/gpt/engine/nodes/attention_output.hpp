// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The values, weighted by attention's probabilities.

#include <array>
#include <cstddef>
#include <reprise/core/node.hpp>

#include "engine/nodes/attention_shape.hpp"

namespace gpt {

/// y = probabilities * v, for each head of each sequence.
template <class Device = Cpu>
class AttentionOutput {
 public:
  using tensor_type = Tensor<Device>;
  static constexpr auto backward_reads = reprise::Reads::input;
  static constexpr auto linear = reprise::Reads::input;  // each gradient in one of the two

  explicit AttentionOutput(AttentionShape shape) : shape_(shape) {}

  tensor_type forward(const tensor_type& probabilities, const tensor_type& v,
                      reprise::PassContext&) {
    const std::size_t context = shape_.context;
    tensor_type y = make_like(v);
    v.device().multiply({.m = context, .n = shape_.head_channels(v), .k = context},
                        batch(v, shape_.by_head(), shape_.by_token(v), shape_.by_token(v)),
                        probabilities.matrix(), v.matrix(), y.matrix());
    return y;
  }

  std::array<tensor_type, 2> backward(const tensor_type& probabilities, const tensor_type& v,
                                      const tensor_type& dy, reprise::PassContext&) {
    const std::size_t context = shape_.context;
    const std::size_t channels = shape_.head_channels(v);
    std::array<tensor_type, 2> gradients{make_like(probabilities), make_like(v)};
    v.device().multiply({.transpose_b = true, .m = context, .n = context, .k = channels},
                        batch(v, shape_.by_token(dy), shape_.by_token(v), shape_.by_head()),
                        dy.matrix(), v.matrix(), gradients[0].matrix());
    v.device().multiply({.transpose_a = true, .m = context, .n = channels, .k = context},
                        batch(v, shape_.by_head(), shape_.by_token(dy), shape_.by_token(v)),
                        probabilities.matrix(), dy.matrix(), gradients[1].matrix());
    return gradients;
  }

  [[nodiscard]] reprise::NodeCosts costs(const tensor_type&, const tensor_type& v) const {
    return {.forward_flops = shape_.flops(v), .backward_flops = 2 * shape_.flops(v)};
  }

 private:
  [[nodiscard]] ProductBatch batch(const tensor_type& v, ProductBatch::Step a, ProductBatch::Step b,
                                   ProductBatch::Step c) const {
    return {.outer = shape_.sequences(v), .inner = shape_.heads, .a = a, .b = b, .c = c};
  }

  AttentionShape shape_;
};

static_assert(reprise::Node<AttentionOutput<>, 2>);

}  // namespace gpt
