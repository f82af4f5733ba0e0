// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The sum of the residual stream and a branch.

#include <algorithm>
#include <array>
#include <cstddef>
#include <reprise/core/node.hpp>

#include "engine/tensor.hpp"

namespace gpt {

namespace residual {

template <class Element>
struct Add {
  const Element* x;
  const Element* branch;
  Element* y;

  GPT_KERNEL void operator()(std::size_t i) const { y[i] = x[i] + branch[i]; }
};

}  // namespace residual

/// y = x + branch. Of its two gradients, which are equal, one takes over the memory of dy.
template <class Device = Cpu>
class Residual {
 public:
  using tensor_type = Tensor<Device>;
  using Element = typename Device::Element;
  static constexpr reprise::Consumes consumes{.of_gradient = true};

  tensor_type forward(const tensor_type& x, const tensor_type& branch, reprise::PassContext&) {
    tensor_type y = make_like(x);
    x.device().for_each_index(x.size(), residual::Add<Element>{x.data(), branch.data(), y.data()});
    return y;
  }

  std::array<tensor_type, 2> backward(tensor_type&& dy, reprise::PassContext&) {
    tensor_type copy = make_like(dy);
    dy.device().for_each_index(dy.size(), Copy<Element>{dy.data(), copy.data()});
    return {std::move(dy), std::move(copy)};
  }

  [[nodiscard]] reprise::NodeCosts costs(const tensor_type& x, const tensor_type&) const {
    return {.forward_flops = static_cast<double>(x.size()), .backward_flops = 0};
  }
};

static_assert(reprise::Node<Residual<>, 2>);

}  // namespace gpt
