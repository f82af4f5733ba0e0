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
template <class Element>
struct BroadcastBias {
  const Element* bias;
  std::size_t columns;
  Element* y;

  template <class Team>
  GPT_KERNEL void operator()(const Team& team, std::size_t row) const {
    Element* const to = y + row * columns;
    team.for_each(columns, [to, from = bias](std::size_t j) { to[j] = from[j]; });
  }
};

/// y = x * weight + bias, with a row of `weight` for each channel of x. The map may take some
/// columns of a larger matrix.
template <class Device = Cpu>
struct AffineMap {
  using Element = typename Device::Element;

  MatrixView<const Element> weight;
  const Element* bias;
  Matrix weight_gradients;
  float* bias_gradients;
  std::size_t inputs;
  std::size_t outputs;

  /// The map by columns `first` to `first + outputs` of a parameter with a column for each of the
  /// bias' values.
  AffineMap(Parameter<Device> weight_parameter, Parameter<Device> bias_parameter, std::size_t first,
            std::size_t output_channels)
      : weight{weight_parameter.values.data() + first, bias_parameter.values.size()},
        bias(bias_parameter.values.data() + first),
        weight_gradients{weight_parameter.gradients.data() + first, bias_parameter.values.size()},
        bias_gradients(bias_parameter.gradients.data() + first),
        inputs(weight_parameter.values.size() / bias_parameter.values.size()),
        outputs(output_channels) {}

  [[nodiscard]] Tensor<Device> apply(const Tensor<Device>& x) const {
    Tensor<Device> y(x.memory(), x.rows(), outputs);
    Device& device = x.device();
    device.for_each_team(x.rows(), BroadcastBias<Element>{bias, outputs, y.data()}, outputs);
    device.multiply({.m = x.rows(), .n = outputs, .k = inputs, .beta = 1}, x.matrix(), weight,
                    y.matrix());
    return y;
  }

  /// dx = dy * weight^T, or adds it to dx.
  void input_gradient(const Tensor<Device>& dy, Tensor<Device>& dx, bool adds) const {
    dy.device().multiply({.transpose_b = true,
                          .m = dy.rows(),
                          .n = inputs,
                          .k = outputs,
                          .beta = adds ? 1.0F : 0.0F},
                         dy.matrix(), weight, dx.matrix());
  }

  /// Adds the gradients of weight and bias.
  void parameter_gradients(const Tensor<Device>& x, const Tensor<Device>& dy) const {
    Device& device = x.device();
    device.multiply({.transpose_a = true, .m = inputs, .n = outputs, .k = x.rows(), .beta = 1},
                    x.matrix(), dy.matrix(), weight_gradients);
    device.for_each_team(column_chunks(outputs),
                         ColumnSums<Element>{dy.data(), dy.rows(), outputs, bias_gradients},
                         dy.rows() * columns_a_chunk);
  }

  [[nodiscard]] double forward_flops(const Tensor<Device>& x) const {
    return MatrixProduct{.m = x.rows(), .n = outputs, .k = inputs}.flops() +
           static_cast<double>(x.rows() * outputs);
  }
  [[nodiscard]] double backward_flops(const Tensor<Device>& x) const {
    return 2 * forward_flops(x);
  }
};

}  // namespace gpt
