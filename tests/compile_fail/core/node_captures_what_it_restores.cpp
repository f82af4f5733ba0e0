// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: capture_state and restore_state cannot be called with the signatures

#include <reprise/core/chain.hpp>
#include <reprise/core/graph.hpp>
#include <vector>

#include "support/plain_block.hpp"

struct Block : reprise_test::PlainBlock {
#ifdef REPRISE_POSITIVE
  [[nodiscard]] int capture_state() const { return 0; }
  void restore_state(int) {}
#else
  [[nodiscard]] int capture_state() const { return 0; }
#endif
};

int main() {
  std::vector<Block> blocks(2);
  const auto graph = reprise::chain(blocks);
  return static_cast<int>(graph.input_count());
}
