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

namespace layer_norm {

inline constexpr float epsilon = 1e-5F;

template <class Element>
struct Normalise {
  const Element* x;
  const Element* scale;
  const Element* shift;
  std::size_t columns;
  Element* y;
  float* moments;

  template <class Team>
  GPT_KERNEL void operator()(const Team& team, std::size_t row) const {
    const Element* const from = x + row * columns;
    const auto count = static_cast<float>(columns);
    const float mean = team.sum(columns, [&](std::size_t j) -> float { return from[j]; }) / count;
    const float squares =
        team.sum(columns, [&](std::size_t j) { return (from[j] - mean) * (from[j] - mean); });
    const float reciprocal = 1.0F / std::sqrt(squares / count + epsilon);
    Element* const to = y + row * columns;
    team.for_each(columns, [&](std::size_t j) {
      to[j] = (from[j] - mean) * reciprocal * scale[j] + shift[j];
    });
    team.once([&] {
      moments[2 * row] = mean;
      moments[2 * row + 1] = reciprocal;
    });
  }
};

template <class Element>
struct InputGradient {
  const Element* x;
  const Element* dy;
  const Element* scale;
  const float* moments;
  std::size_t columns;
  Element* dx;

  template <class Team>
  GPT_KERNEL void operator()(const Team& team, std::size_t row) const {
    const Element* const from = x + row * columns;
    const Element* const gradient = dy + row * columns;
    const float mean = moments[2 * row];
    const float reciprocal = moments[2 * row + 1];
    const auto count = static_cast<float>(columns);
    const float sum =
        team.sum(columns, [&](std::size_t j) { return gradient[j] * scale[j]; }) / count;
    const float dot = team.sum(columns, [&](std::size_t j) {
      return gradient[j] * scale[j] * ((from[j] - mean) * reciprocal);
    }) / count;
    Element* const to = dx + row * columns;
    team.for_each(columns, [&](std::size_t j) {
      const float normal = (from[j] - mean) * reciprocal;
      to[j] = reciprocal * (gradient[j] * scale[j] - sum - normal * dot);
    });
  }
};

template <class Element>
struct ParameterGradients {
  const Element* x;
  const Element* dy;
  const float* moments;
  std::size_t rows;
  std::size_t columns;
  float* scale_gradients;
  float* shift_gradients;

  struct Totals {
    ColumnTotals scale;
    ColumnTotals shift;

    GPT_KERNEL friend Totals operator+(const Totals& a, const Totals& b) {
      return {a.scale + b.scale, a.shift + b.shift};
    }
  };

  template <class Team>
  GPT_KERNEL void operator()(const Team& team, std::size_t index) const {
    const ColumnChunk chunk(index, columns);
    const Totals totals = team.sum(rows, [&](std::size_t row) {
      const Element* const from = x + row * columns;
      const Element* const gradient = dy + row * columns;
      const float mean = moments[2 * row];
      const float reciprocal = moments[2 * row + 1];
      return Totals{
          chunk.map([&](std::size_t j) { return gradient[j] * ((from[j] - mean) * reciprocal); }),
          chunk.map([&](std::size_t j) { return gradient[j]; })};
    });
    team.for_each(chunk.width, [&](std::size_t j) {
      scale_gradients[chunk.first + j] += totals.scale.of[j];
      shift_gradients[chunk.first + j] += totals.shift.of[j];
    });
  }
};

}  // namespace layer_norm

/// y = scale * (x - mean) / sqrt(variance + epsilon) + shift, row by row.
template <class Device = Cpu>
class LayerNorm {
 public:
  using tensor_type = Tensor<Device>;
  using Element = typename Device::Element;
  /// A row's mean and the reciprocal of its deviation, in floats.
  struct saved_type {
    tensor_type moments;
  };
  static constexpr auto backward_reads = reprise::Reads::input;
  static constexpr auto tolerates = reprise::Reads::input;  // its product with itself

  LayerNorm(Parameter<Device> scale, Parameter<Device> shift) : scale_(scale), shift_(shift) {}

  tensor_type forward(const tensor_type& x, saved_type& saved, reprise::PassContext&) {
    tensor_type y = make_like(x);
    saved.moments = tensor_type::of_floats(x.memory(), x.rows(), 2);
    x.device().for_each_team(
        x.rows(),
        layer_norm::Normalise<Element>{x.data(), scale_.values.data(), shift_.values.data(),
                                       x.columns(), y.data(), saved.moments.floats()},
        x.columns());
    return y;
  }

  tensor_type backward(const tensor_type& x, saved_type& saved, const tensor_type& dy,
                       reprise::PassContext&) {
    tensor_type dx = make_like(x);
    Device& device = x.device();
    device.for_each_team(
        x.rows(),
        layer_norm::InputGradient<Element>{x.data(), dy.data(), scale_.values.data(),
                                           saved.moments.floats(), x.columns(), dx.data()},
        x.columns());
    device.for_each_team(column_chunks(x.columns()),
                         layer_norm::ParameterGradients<Element>{
                             x.data(), dy.data(), saved.moments.floats(), x.rows(), x.columns(),
                             scale_.gradients.data(), shift_.gradients.data()},
                         x.rows() * columns_a_chunk);
    return dx;
  }

  [[nodiscard]] reprise::NodeCosts costs(const tensor_type& x) const {
    const auto elements = static_cast<double>(x.size());
    return {.forward_flops = 8 * elements, .backward_flops = 15 * elements};
  }

  template <class F>
  void for_each_gradient(F&& f) {
    f(scale_.gradients);
    f(shift_.gradients);
  }

 private:
  Parameter<Device> scale_;
  Parameter<Device> shift_;
};

static_assert(reprise::Node<LayerNorm<>>);

}  // namespace gpt
