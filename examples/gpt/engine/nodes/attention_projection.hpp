// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Queries, keys and values: three outputs of one node.

#include <array>
#include <cstddef>
#include <reprise/core/node.hpp>

#include "engine/affine_map.hpp"

namespace gpt {

/// (q, k, v) = x * weight + bias, where weight's columns are q's, then k's, then v's.
template <class Device = Cpu>
class AttentionProjection {
 public:
  using tensor_type = Tensor<Device>;
  static constexpr auto backward_reads = reprise::Reads::input;
  static constexpr auto linear = reprise::Reads::input;

  AttentionProjection(Parameter<Device> weight, Parameter<Device> bias)
      : weight_(weight), bias_(bias), maps_{map(0), map(1), map(2)} {}

  std::array<tensor_type, 3> forward(const tensor_type& x, reprise::PassContext&) {
    return {maps_[0].apply(x), maps_[1].apply(x), maps_[2].apply(x)};
  }

  tensor_type backward(const tensor_type& x, const tensor_type& dq, const tensor_type& dk,
                       const tensor_type& dv, reprise::PassContext&) {
    tensor_type dx = make_like(x);
    const std::array<const tensor_type*, 3> gradients{&dq, &dk, &dv};
    for (std::size_t port = 0; port < 3; ++port) {
      maps_[port].input_gradient(*gradients[port], dx, port > 0);
      maps_[port].parameter_gradients(x, *gradients[port]);
    }
    return dx;
  }

  [[nodiscard]] reprise::NodeCosts costs(const tensor_type& x) const {
    return {.forward_flops = 3 * maps_[0].forward_flops(x),
            .backward_flops = 3 * maps_[0].backward_flops(x)};
  }

  template <class F>
  void for_each_gradient(F&& f) {
    f(weight_.gradients);
    f(bias_.gradients);
  }

 private:
  [[nodiscard]] AffineMap<Device> map(std::size_t port) const {
    const std::size_t channels = bias_.values.size() / 3;
    return {weight_, bias_, port * channels, channels};
  }

  Parameter<Device> weight_;
  Parameter<Device> bias_;
  std::array<AffineMap<Device>, 3> maps_;
};

static_assert(reprise::Node<AttentionProjection<>>);

}  // namespace gpt
