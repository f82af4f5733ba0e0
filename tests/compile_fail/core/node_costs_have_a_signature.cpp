// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: NodeCosts ?\(const std::vector<float.*&

#include <reprise/core/chain.hpp>
#include <reprise/core/graph.hpp>
#include <vector>

#include "support/plain_block.hpp"

struct Block : reprise_test::PlainBlock {
#ifdef REPRISE_POSITIVE
  [[nodiscard]] reprise::NodeCosts costs(const tensor_type&) const { return {}; }
#else
  [[nodiscard]] reprise::NodeCosts costs(const tensor_type&, int) const { return {}; }
#endif
};

int main() {
  std::vector<Block> blocks(2);
  const auto graph = reprise::chain(blocks);
  return static_cast<int>(graph.input_count());
}
