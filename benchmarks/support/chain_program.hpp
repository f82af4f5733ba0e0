// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <reprise/core/chain.hpp>
#include <reprise/program/cost/flops.hpp>
#include <reprise/program/lowering.hpp>
#include <reprise/program/profile.hpp>
#include <vector>

namespace reprise_bench {

/// A node of one float that saves another: what runs around its call is nearly all there is.
struct CheapNode {
  using tensor_type = std::vector<float>;
  using saved_type = std::vector<float>;
  static constexpr auto backward_reads = reprise::Reads::input;

  tensor_type forward(const tensor_type& x, saved_type& saved, reprise::PassContext&) const {
    saved.assign(1, 0.5F * x[0]);
    return tensor_type(1, 0.25F + 0.5F * x[0]);
  }
  tensor_type backward(const tensor_type& x, saved_type& saved, const tensor_type& dy,
                       reprise::PassContext&) const {
    return tensor_type(1, dy[0] * (saved[0] + x[0]));
  }
  [[nodiscard]] reprise::NodeCosts costs(const tensor_type&) const {
    return {.forward_flops = 2.0, .backward_flops = 2.0};
  }
};

/// The program of a chain of such nodes.
inline reprise::Program chain_program(std::size_t layers) {
  std::vector<CheapNode> nodes(layers);
  auto graph = reprise::chain(nodes);
  std::vector<float> x(1, 1.0F);
  std::vector<float>* input = &x;
  const reprise::Profile profile = reprise::make_profile(graph, {&input, 1}, {});
  return reprise::lower(graph, profile, true, reprise::Flops{}).program;
}

}  // namespace reprise_bench
