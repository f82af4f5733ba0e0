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

/// y = x + branch. Of its two gradients, which are equal, one takes over the memory of dy.
class Residual {
 public:
  using tensor_type = Tensor;
  static constexpr reprise::Consumes consumes{.of_gradient = true};

  Tensor forward(const Tensor& x, const Tensor& branch, reprise::PassContext&) {
    Tensor y = make_like(x);
    for_each_index(x.size(), Add{x.data(), branch.data(), y.data()});
    return y;
  }

  std::array<Tensor, 2> backward(Tensor&& dy, reprise::PassContext&) {
    Tensor copy = make_like(dy);
    for_each_index(dy.size(), Copy{dy.data(), copy.data()});
    return {std::move(dy), std::move(copy)};
  }

  [[nodiscard]] reprise::NodeCosts costs(const Tensor& x, const Tensor&) const {
    return {.forward_flops = static_cast<double>(x.size()), .backward_flops = 0};
  }

 private:
  struct Add {
    const float* x;
    const float* branch;
    float* y;

    GPT_KERNEL void operator()(std::size_t i) const { y[i] = x[i] + branch[i]; }
  };

  struct Copy {
    const float* from;
    float* to;

    GPT_KERNEL void operator()(std::size_t i) const { to[i] = from[i]; }
  };
};

static_assert(reprise::Node<Residual, 2>);

}  // namespace gpt
