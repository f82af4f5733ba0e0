// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: a node names its tensor

#include <reprise/core/chain.hpp>
#include <vector>

using Tensor = std::vector<float>;

struct Block {
#ifdef REPRISE_POSITIVE
  using tensor_type = Tensor;
#endif
  Tensor forward(const Tensor& x, reprise::PassContext&) { return x; }
  Tensor backward(const Tensor& dy, reprise::PassContext&) { return dy; }
};

int main() {
  std::vector<Block> nodes(2);
  auto graph = reprise::chain(nodes);
  static_cast<void>(graph);
  return 0;
}
