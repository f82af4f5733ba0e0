// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A matrix product with a bias.

#include <cstddef>
#include <reprise/core/node.hpp>

#include "engine/affine_map.hpp"

namespace gpt {

/// y = x * weight + bias; weight has a row for each input channel.
template <class Device = Cpu>
class Linear {
 public:
  using tensor_type = Tensor<Device>;
  static constexpr auto backward_reads = reprise::Reads::input;
  static constexpr auto linear = reprise::Reads::input;

  Linear(Parameter<Device> weight, Parameter<Device> bias)
      : weight_(weight), bias_(bias), map_(weight, bias, 0, bias.values.size()) {}

  tensor_type forward(const tensor_type& x, reprise::PassContext&) { return map_.apply(x); }

  tensor_type backward(const tensor_type& x, const tensor_type& dy, reprise::PassContext&) {
    tensor_type dx = make_like(x);
    map_.input_gradient(dy, dx, false);
    map_.parameter_gradients(x, dy);
    return dx;
  }

  [[nodiscard]] reprise::NodeCosts costs(const tensor_type& x) const {
    return {.forward_flops = map_.forward_flops(x), .backward_flops = map_.backward_flops(x)};
  }

  template <class F>
  void for_each_gradient(F&& f) {
    f(weight_.gradients);
    f(bias_.gradients);
  }

 private:
  Parameter<Device> weight_;
  Parameter<Device> bias_;
  AffineMap<Device> map_;
};

static_assert(reprise::Node<Linear<>>);

}  // namespace gpt
