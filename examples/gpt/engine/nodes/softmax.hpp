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

/// y = exp(x) / sum(exp(x)), row by row. Takes over its input, and in backward the gradient.
class Softmax {
 public:
  using tensor_type = Tensor;
  static constexpr auto backward_reads = reprise::Reads::output;
  static constexpr reprise::Consumes consumes{.input_index = 0, .of_gradient = true};

  Tensor forward(Tensor&& x, reprise::PassContext&) {
    for_each_index(x.rows(), Normalise{x.columns(), x.data()}, 8 * x.columns());
    return std::move(x);
  }

  Tensor backward(const Tensor& y, Tensor&& dy, reprise::PassContext&) {
    for_each_index(y.rows(), Gradient{y.data(), y.columns(), dy.data()}, y.columns());
    return std::move(dy);
  }

  [[nodiscard]] reprise::NodeCosts costs(const Tensor& x) const {
    const auto elements = static_cast<double>(x.size());
    return {.forward_flops = 5 * elements, .backward_flops = 4 * elements};
  }

 private:
  struct Normalise {
    std::size_t columns;
    float* x;

    GPT_KERNEL void operator()(std::size_t row) const {
      float* const at = x + row * columns;
      float largest = at[0];
      for (std::size_t j = 1; j < columns; ++j) largest = at[j] > largest ? at[j] : largest;
      float sum = 0;
      for (std::size_t j = 0; j < columns; ++j) {
        at[j] = std::exp(at[j] - largest);
        sum += at[j];
      }
      const float reciprocal = 1.0F / sum;
      for (std::size_t j = 0; j < columns; ++j) at[j] *= reciprocal;
    }
  };

  struct Gradient {
    const float* y;
    std::size_t columns;
    float* dy;

    GPT_KERNEL void operator()(std::size_t row) const {
      const float* const from = y + row * columns;
      float* const at = dy + row * columns;
      float dot = 0;
#pragma omp simd reduction(+ : dot)
      for (std::size_t j = 0; j < columns; ++j) dot += at[j] * from[j];
      for (std::size_t j = 0; j < columns; ++j) at[j] = from[j] * (at[j] - dot);
    }
  };
};

static_assert(reprise::Node<Softmax>);

}  // namespace gpt
