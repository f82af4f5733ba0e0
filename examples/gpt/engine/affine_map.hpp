// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A matrix product with a bias: what the nodes with weights are made of.

#include <cstddef>

#include "engine/column_sums.hpp"
#include "engine/matrix_product.hpp"
#include "engine/parameters.hpp"
#include "engine/tensor.hpp"

namespace gpt {

/// `y[row] = bias`.
struct BroadcastBias {
  const float* bias;
  std::size_t columns;
  float* y;

  template <class Team>
  GPT_KERNEL void operator()(const Team& team, std::size_t row) const {
    float* const to = y + row * columns;
    team.for_each(columns, [to, from = bias](std::size_t j) { to[j] = from[j]; });
  }
};

/// y = x * weight + bias, with a row of `weight` for each channel of x.
///
/// `stride` is the length of a stored row of `weight`: longer than `outputs` where the map takes
/// some columns of a larger matrix.
struct AffineMap {
  const float* weight;
  const float* bias;
  float* weight_gradients;
  float* bias_gradients;
  std::size_t inputs;
  std::size_t outputs;
  std::size_t stride;

  /// The map by columns `first` to `first + outputs` of a parameter with `stride` columns.
  AffineMap(Parameter weight_parameter, Parameter bias_parameter, std::size_t first,
            std::size_t output_channels)
      : weight(weight_parameter.values.data() + first),
        bias(bias_parameter.values.data() + first),
        weight_gradients(weight_parameter.gradients.data() + first),
        bias_gradients(bias_parameter.gradients.data() + first),
        inputs(weight_parameter.values.size() / bias_parameter.values.size()),
        outputs(output_channels),
        stride(bias_parameter.values.size()) {}

  template <class Device>
  [[nodiscard]] Tensor<Device> apply(const Tensor<Device>& x) const {
    Tensor<Device> y(x.memory(), x.rows(), outputs);
    Device& device = x.device();
    device.for_each_team(x.rows(), BroadcastBias{bias, outputs, y.data()}, outputs);
    device.multiply({.m = x.rows(), .n = outputs, .k = inputs, .beta = 1}, {x.data(), inputs},
                    {weight, stride}, {y.data(), outputs});
    return y;
  }

  /// dx = dy * weight^T, or adds it to dx.
  template <class Device>
  void input_gradient(const Tensor<Device>& dy, Tensor<Device>& dx, bool adds) const {
    dy.device().multiply({.transpose_b = true,
                          .m = dy.rows(),
                          .n = inputs,
                          .k = outputs,
                          .beta = adds ? 1.0F : 0.0F},
                         {dy.data(), outputs}, {weight, stride}, {dx.data(), inputs});
  }

  /// Adds the gradients of weight and bias.
  template <class Device>
  void parameter_gradients(const Tensor<Device>& x, const Tensor<Device>& dy) const {
    Device& device = x.device();
    device.multiply({.transpose_a = true, .m = inputs, .n = outputs, .k = x.rows(), .beta = 1},
                    {x.data(), inputs}, {dy.data(), outputs}, {weight_gradients, stride});
    device.for_each_team(column_chunks(outputs),
                         ColumnSums{dy.data(), dy.rows(), outputs, bias_gradients},
                         dy.rows() * columns_a_chunk);
  }

  template <class Device>
  [[nodiscard]] double forward_flops(const Tensor<Device>& x) const {
    return MatrixProduct{.m = x.rows(), .n = outputs, .k = inputs}.flops() +
           static_cast<double>(x.rows() * outputs);
  }
  template <class Device>
  [[nodiscard]] double backward_flops(const Tensor<Device>& x) const {
    return 2 * forward_flops(x);
  }
};

}  // namespace gpt
