// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The language-model head.

#include <cstddef>
#include <reprise/core/node.hpp>

#include "engine/matrix_product.hpp"
#include "engine/parameters.hpp"
#include "engine/tensor.hpp"

namespace gpt {

/// logits = x * table^T, where the table is the token embedding's: a shared parameter.
template <class Device = Cpu>
class TiedHead {
 public:
  using tensor_type = Tensor<Device>;
  static constexpr auto backward_reads = reprise::Reads::input;
  static constexpr auto linear = reprise::Reads::input;

  TiedHead(Parameter<Device> table, std::size_t vocabulary)
      : table_(table), vocabulary_(vocabulary) {}

  tensor_type forward(const tensor_type& x, reprise::PassContext&) {
    tensor_type logits(x.memory(), x.rows(), vocabulary_);
    x.device().multiply({.transpose_b = true, .m = x.rows(), .n = vocabulary_, .k = x.columns()},
                        x.matrix(), table(x), logits.matrix());
    return logits;
  }

  tensor_type backward(const tensor_type& x, const tensor_type& dlogits, reprise::PassContext&) {
    tensor_type dx = make_like(x);
    x.device().multiply({.m = x.rows(), .n = x.columns(), .k = vocabulary_}, dlogits.matrix(),
                        table(x), dx.matrix());
    x.device().multiply(
        {.transpose_a = true, .m = vocabulary_, .n = x.columns(), .k = x.rows(), .beta = 1},
        dlogits.matrix(), x.matrix(), Matrix{table_.gradients.data(), x.columns()});
    return dx;
  }

  [[nodiscard]] reprise::NodeCosts costs(const tensor_type& x) const {
    const double flops = MatrixProduct{.m = x.rows(), .n = vocabulary_, .k = x.columns()}.flops();
    return {.forward_flops = flops, .backward_flops = 2 * flops};
  }

  template <class F>
  void for_each_gradient(F&& f) {
    f(table_.gradients);
  }

 private:
  [[nodiscard]] MatrixView<const typename Device::Element> table(const tensor_type& x) const {
    return {table_.values.data(), x.columns()};
  }

  Parameter<Device> table_;
  std::size_t vocabulary_;
};

static_assert(reprise::Node<TiedHead<>>);

}  // namespace gpt
