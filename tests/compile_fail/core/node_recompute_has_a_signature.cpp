// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: (Signature = |check_recompute<Block, )std::vector<float.*\(const std::vector<float

#include <reprise/core/chain.hpp>
#include <reprise/core/graph.hpp>
#include <vector>

#include "support/plain_block.hpp"

struct Block : reprise_test::PlainBlock {
#ifdef REPRISE_POSITIVE
  tensor_type recompute(const tensor_type& x, reprise::PassContext&) { return x; }
#else
  tensor_type recompute(const tensor_type& x) { return x; }
#endif
};

int main() {
  std::vector<Block> blocks(2);
  const auto graph = reprise::chain(blocks);
  return static_cast<int>(graph.input_count());
}
