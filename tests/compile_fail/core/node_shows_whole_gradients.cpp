// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: for_each_gradient calls f with a span of each parameter gradient

#include <reprise/core/chain.hpp>
#include <reprise/core/graph.hpp>
#include <span>
#include <vector>

#include "support/plain_block.hpp"

struct Block : reprise_test::PlainBlock {
  tensor_type dw;
#ifdef REPRISE_POSITIVE
  void for_each_gradient(auto&& f) { f(std::span<float>(dw)); }
#else
  void for_each_gradient(auto&& f) { f(dw[0]); }
#endif
};

int main() {
  std::vector<Block> blocks(2);
  const auto graph = reprise::chain(blocks);
  return static_cast<int>(graph.input_count());
}
