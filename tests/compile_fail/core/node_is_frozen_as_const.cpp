// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: is_frozen cannot be called with the signature bool is_frozen\(\) const

#include <reprise/core/chain.hpp>
#include <reprise/core/graph.hpp>
#include <vector>

#include "support/plain_block.hpp"

struct Block : reprise_test::PlainBlock {
#ifdef REPRISE_POSITIVE
  [[nodiscard]] bool is_frozen() const { return true; }
#else
  [[nodiscard]] bool is_frozen() { return true; }
#endif
};

int main() {
  std::vector<Block> blocks(2);
  const auto graph = reprise::chain(blocks);
  return static_cast<int>(graph.input_count());
}
