// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: a chain borrows its nodes

#include <reprise/core/chain.hpp>
#include <vector>

struct Block {
  using tensor_type = std::vector<float>;
  tensor_type forward(const tensor_type& x, reprise::PassContext&) { return x; }
  tensor_type backward(const tensor_type& dy, reprise::PassContext&) { return dy; }
};

int main() {
  std::vector<Block> nodes(2);
#ifdef REPRISE_POSITIVE
  auto graph = reprise::chain(nodes);
#else
  auto graph = reprise::chain(std::vector<Block>(2));
#endif
  static_cast<void>(graph);
  return 0;
}
