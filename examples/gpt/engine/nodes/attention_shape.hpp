// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How rows and columns of attention's tensors lie.

#include <cstddef>

#include "engine/matrix_product.hpp"
#include "engine/tensor.hpp"

namespace gpt {

/// Queries, keys, values have a row for each token and the heads side by side in it. Scores have a
/// `context` x `context` matrix for each head of each sequence.
struct AttentionShape {
  std::size_t heads;
  std::size_t context;

  template <class Device>
  [[nodiscard]] std::size_t sequences(const Tensor<Device>& by_token) const {
    return by_token.rows() / context;
  }
  template <class Device>
  [[nodiscard]] std::size_t head_channels(const Tensor<Device>& by_token) const {
    return by_token.columns() / heads;
  }
  /// From a head's matrix to the next one, in a tensor with a row for each token.
  template <class Device>
  [[nodiscard]] ProductBatch::Step by_token(const Tensor<Device>& tensor) const {
    return {.outer = context * tensor.columns(), .inner = head_channels(tensor)};
  }
  /// From a head's matrix to the next one, in scores.
  [[nodiscard]] ProductBatch::Step by_head() const {
    return {.outer = heads * context * context, .inner = context * context};
  }
  /// The operations of one product with the scores of all heads.
  template <class Device>
  [[nodiscard]] double flops(const Tensor<Device>& by_token) const {
    return 2.0 * static_cast<double>(by_token.size()) * static_cast<double>(context);
  }
};

}  // namespace gpt
