// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Softmax over rows, in the memory of its input.

#include <cmath>
#include <cstddef>
#include <reprise/core/node.hpp>

#include "engine/tensor.hpp"

namespace gpt {

namespace softmax {

template <class Element>
struct Normalise {
  std::size_t columns;
  Element* x;

  template <class Team>
  GPT_KERNEL void operator()(const Team& team, std::size_t row) const {
    Element* const at = x + row * columns;
    const float largest = team.max(columns, [&](std::size_t j) { return at[j]; });
    const float sum = team.sum(columns, [&](std::size_t j) -> float {
      at[j] = std::exp(at[j] - largest);
      return at[j];
    });
    const float reciprocal = 1.0F / sum;
    team.for_each(columns, [&](std::size_t j) { at[j] *= reciprocal; });
  }
};

template <class Element>
struct Gradient {
  const Element* y;
  std::size_t columns;
  Element* dy;

  template <class Team>
  GPT_KERNEL void operator()(const Team& team, std::size_t row) const {
    const Element* const from = y + row * columns;
    Element* const at = dy + row * columns;
    const float dot = team.sum(columns, [&](std::size_t j) { return at[j] * from[j]; });
    team.for_each(columns, [&](std::size_t j) { at[j] = from[j] * (at[j] - dot); });
  }
};

}  // namespace softmax

/// y = exp(x) / sum(exp(x)), row by row. Takes over its input, and in backward the gradient.
template <class Device = Cpu>
class Softmax {
 public:
  using tensor_type = Tensor<Device>;
  using Element = typename Device::Element;
  static constexpr auto backward_reads = reprise::Reads::output;
  static constexpr auto tolerates = reprise::Reads::output;  // its product with itself
  static constexpr reprise::Consumes consumes{.input_index = 0, .of_gradient = true};

  tensor_type forward(tensor_type&& x, reprise::PassContext&) {
    x.device().for_each_team(x.rows(), softmax::Normalise<Element>{x.columns(), x.data()},
                             8 * x.columns());
    return std::move(x);
  }

  tensor_type backward(const tensor_type& y, tensor_type&& dy, reprise::PassContext&) {
    y.device().for_each_team(y.rows(), softmax::Gradient<Element>{y.data(), y.columns(), dy.data()},
                             y.columns());
    return std::move(dy);
  }

  [[nodiscard]] reprise::NodeCosts costs(const tensor_type& x) const {
    const auto elements = static_cast<double>(x.size());
    return {.forward_flops = 5 * elements, .backward_flops = 4 * elements};
  }
};

static_assert(reprise::Node<Softmax<>>);

}  // namespace gpt
