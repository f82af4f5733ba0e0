// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The activation of the feed-forward part.

#include <cmath>
#include <cstddef>
#include <reprise/core/node.hpp>

#include "engine/tensor.hpp"

namespace gpt {

namespace gelu {

inline constexpr float slope = 0.7978845608F;  // sqrt(2 / pi)
inline constexpr float cubic = 0.044715F;

/// tanh by one exponential: the library's takes twice as long.
GPT_KERNEL inline float tanh_of(float u) { return 1.0F - 2.0F / (1.0F + std::exp(2.0F * u)); }

template <class Element>
struct Activate {
  const Element* x;
  Element* y;

  GPT_KERNEL void operator()(std::size_t i) const {
    const float v = x[i];
    y[i] = 0.5F * v * (1.0F + tanh_of(slope * (v + cubic * v * v * v)));
  }
};

template <class Element>
struct Gradient {
  const Element* x;
  Element* dy;

  GPT_KERNEL void operator()(std::size_t i) const {
    const float v = x[i];
    const float t = tanh_of(slope * (v + cubic * v * v * v));
    const float inner = slope * (1.0F + 3.0F * cubic * v * v);
    dy[i] *= 0.5F * (1.0F + t) + 0.5F * v * (1.0F - t * t) * inner;
  }
};

}  // namespace gelu

/// GELU in its tanh form, as in GPT-2. In backward it takes over the gradient.
///
/// Source: Hendrycks, Gimpel, "Gaussian error linear units", 2016, section 2.
template <class Device = Cpu>
class Gelu {
 public:
  using tensor_type = Tensor<Device>;
  using Element = typename Device::Element;
  static constexpr auto backward_reads = reprise::Reads::input;
  static constexpr auto tolerates = reprise::Reads::input;
  static constexpr reprise::Consumes consumes{.of_gradient = true};

  tensor_type forward(const tensor_type& x, reprise::PassContext&) {
    tensor_type y = make_like(x);
    x.device().for_each_index(x.size(), gelu::Activate<Element>{x.data(), y.data()}, 8);
    return y;
  }

  tensor_type backward(const tensor_type& x, tensor_type&& dy, reprise::PassContext&) {
    x.device().for_each_index(x.size(), gelu::Gradient<Element>{x.data(), dy.data()}, 8);
    return std::move(dy);
  }

  [[nodiscard]] reprise::NodeCosts costs(const tensor_type& x) const {
    const auto elements = static_cast<double>(x.size());
    return {.forward_flops = 12 * elements, .backward_flops = 20 * elements};
  }
};

static_assert(reprise::Node<Gelu<>>);

}  // namespace gpt
