// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Layer normalisation.

#include <cmath>
#include <cstddef>
#include <reprise/core/node.hpp>

#include "engine/column_sums.hpp"
#include "engine/parameters.hpp"
#include "engine/tensor.hpp"

namespace gpt {

/// y = scale * (x - mean) / sqrt(variance + epsilon) + shift, row by row.
class LayerNorm {
 public:
  using tensor_type = Tensor;
  /// A row's mean and the reciprocal of its deviation.
  struct saved_type {
    Tensor moments;
  };
  static constexpr auto backward_reads = reprise::Reads::input;

  LayerNorm(Parameter scale, Parameter shift) : scale_(scale), shift_(shift) {}

  Tensor forward(const Tensor& x, saved_type& saved, reprise::PassContext&) {
    Tensor y = make_like(x);
    saved.moments = Tensor(x.memory(), x.rows(), 2);
    for_each_index(x.rows(),
                   Normalise{x.data(), scale_.values.data(), shift_.values.data(), x.columns(),
                             y.data(), saved.moments.data()},
                   x.columns());
    return y;
  }

  Tensor backward(const Tensor& x, saved_type& saved, const Tensor& dy, reprise::PassContext&) {
    Tensor dx = make_like(x);
    for_each_index(x.rows(),
                   InputGradient{x.data(), dy.data(), scale_.values.data(), saved.moments.data(),
                                 x.columns(), dx.data()},
                   x.columns());
    for_each_index(
        column_chunks(x.columns()),
        ParameterGradients{x.data(), dy.data(), saved.moments.data(), x.rows(), x.columns(),
                           scale_.gradients.data(), shift_.gradients.data()},
        x.rows() * columns_a_chunk);
    return dx;
  }

  [[nodiscard]] reprise::NodeCosts costs(const Tensor& x) const {
    const auto elements = static_cast<double>(x.size());
    return {.forward_flops = 8 * elements, .backward_flops = 15 * elements};
  }

  template <class F>
  void for_each_gradient(F&& f) {
    f(scale_.gradients);
    f(shift_.gradients);
  }

 private:
  static constexpr float epsilon = 1e-5F;

  struct Normalise {
    const float* x;
    const float* scale;
    const float* shift;
    std::size_t columns;
    float* y;
    float* moments;

    GPT_KERNEL void operator()(std::size_t row) const {
      const float* const from = x + row * columns;
      const auto count = static_cast<float>(columns);
      float sum = 0;
#pragma omp simd reduction(+ : sum)
      for (std::size_t j = 0; j < columns; ++j) sum += from[j];
      const float mean = sum / count;
      float squares = 0;
#pragma omp simd reduction(+ : squares)
      for (std::size_t j = 0; j < columns; ++j) squares += (from[j] - mean) * (from[j] - mean);
      const float reciprocal = 1.0F / std::sqrt(squares / count + epsilon);
      float* const to = y + row * columns;
      for (std::size_t j = 0; j < columns; ++j) {
        to[j] = (from[j] - mean) * reciprocal * scale[j] + shift[j];
      }
      moments[2 * row] = mean;
      moments[2 * row + 1] = reciprocal;
    }
  };

  struct InputGradient {
    const float* x;
    const float* dy;
    const float* scale;
    const float* moments;
    std::size_t columns;
    float* dx;

    GPT_KERNEL void operator()(std::size_t row) const {
      const float* const from = x + row * columns;
      const float* const gradient = dy + row * columns;
      const float mean = moments[2 * row];
      const float reciprocal = moments[2 * row + 1];
      float sum = 0;
      float dot = 0;
#pragma omp simd reduction(+ : sum, dot)
      for (std::size_t j = 0; j < columns; ++j) {
        const float scaled = gradient[j] * scale[j];
        sum += scaled;
        dot += scaled * ((from[j] - mean) * reciprocal);
      }
      const float count = static_cast<float>(columns);
      sum /= count;
      dot /= count;
      float* const to = dx + row * columns;
      for (std::size_t j = 0; j < columns; ++j) {
        const float normal = (from[j] - mean) * reciprocal;
        to[j] = reciprocal * (gradient[j] * scale[j] - sum - normal * dot);
      }
    }
  };

  struct ParameterGradients {
    const float* x;
    const float* dy;
    const float* moments;
    std::size_t rows;
    std::size_t columns;
    float* scale_gradients;
    float* shift_gradients;

    GPT_KERNEL void operator()(std::size_t index) const {
      const auto [first, width] = ColumnChunk(index, columns);
      float scale_total[columns_a_chunk] = {};
      float shift_total[columns_a_chunk] = {};
      for (std::size_t row = 0; row < rows; ++row) {
        const float* const from = x + row * columns + first;
        const float* const gradient = dy + row * columns + first;
        const float mean = moments[2 * row];
        const float reciprocal = moments[2 * row + 1];
        for (std::size_t j = 0; j < width; ++j) {
          scale_total[j] += gradient[j] * ((from[j] - mean) * reciprocal);
          shift_total[j] += gradient[j];
        }
      }
      for (std::size_t j = 0; j < width; ++j) {
        scale_gradients[first + j] += scale_total[j];
        shift_gradients[first + j] += shift_total[j];
      }
    }
  };

  Parameter scale_;
  Parameter shift_;
};

static_assert(reprise::Node<LayerNorm>);

}  // namespace gpt
