// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The least that an engine's own layer graph can be, for tests of what does not compile.

#include <array>
#include <cstddef>
#include <reprise/core/arguments.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/saved_state.hpp>
#include <span>
#include <vector>

namespace reprise_test {

/// One node: y = x.
struct PlainGraph {
  using tensor_type = std::vector<float>;
  using saved_type = reprise::NothingSaved;
  using Tensors = reprise::Arguments<tensor_type>;

  std::array<reprise::Source, 1> input{};
  std::array<reprise::Source, 1> output{reprise::Source{.node = 0, .port = 0}};

  [[nodiscard]] static std::size_t size() { return 1; }
  [[nodiscard]] static std::size_t input_count() { return 1; }
  [[nodiscard]] std::span<const reprise::Source> inputs(std::size_t) const { return input; }
  [[nodiscard]] std::span<const reprise::Source> outputs() const { return output; }
  [[nodiscard]] static reprise::NodeTraits traits(std::size_t) { return {}; }

  void forward(std::size_t, Tensors in, std::span<tensor_type> out, saved_type&,
               reprise::PassContext&) {
    out[0] = in[0];
  }
  void backward(std::size_t, Tensors, Tensors, saved_type&, Tensors gradients,
                reprise::PassContext&, std::span<tensor_type* const> input_gradients) {
    if (input_gradients[0] != nullptr) *input_gradients[0] = gradients[0];
  }
};

}  // namespace reprise_test
