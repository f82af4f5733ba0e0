// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Dropout whose mask takes no memory.

#include <cstddef>
#include <cstdint>
#include <reprise/core/node.hpp>
#include <reprise/core/philox.hpp>

#include "engine/tensor.hpp"

namespace gpt {

namespace dropout {

/// Elements that an index takes: as many as a block of the stream has words.
inline constexpr std::size_t words = 4;

template <class Element>
struct Mask {
  reprise::Philox random;
  float rate;
  float scale;
  std::size_t size;
  Element* x;

  GPT_KERNEL void operator()(std::size_t group) const {
    const auto block = random.block(group);
    const std::size_t left = size - group * words;
    for (std::size_t j = 0; j < words && j < left; ++j) {
      const float uniform = static_cast<float>(block[j] >> 8U) * 0x1p-24F;
      x[group * words + j] *= uniform < rate ? 0.0F : scale;
    }
  }
};

}  // namespace dropout

/// Zeroes elements with probability `rate` and scales the others by 1 / (1 - rate), in place;
/// passes its input on outside of training. Backward draws the mask again from the pass's random
/// stream.
template <class Device = Cpu>
class Dropout {
 public:
  using tensor_type = Tensor<Device>;
  using Element = typename Device::Element;
  static constexpr reprise::Consumes consumes{.input_index = 0, .of_gradient = true};

  explicit Dropout(float rate) : rate_(rate) {}

  tensor_type forward(tensor_type&& x, reprise::PassContext& pass) {
    if (pass.is_training()) apply(x, pass);
    return std::move(x);
  }

  tensor_type backward(tensor_type&& dy, reprise::PassContext& pass) {
    apply(dy, pass);
    return std::move(dy);
  }

  [[nodiscard]] reprise::NodeCosts costs(const tensor_type& x) const {
    const auto elements = static_cast<double>(x.size());
    return {.forward_flops = elements, .backward_flops = elements};
  }

 private:
  void apply(tensor_type& x, const reprise::PassContext& pass) const {
    using dropout::words;
    x.device().for_each_index(
        (x.size() + words - 1) / words,
        dropout::Mask<Element>{pass.random(), rate_, 1.0F / (1.0F - rate_), x.size(), x.data()},
        16);
  }

  float rate_;
};

static_assert(reprise::Node<Dropout<>>);

}  // namespace gpt
