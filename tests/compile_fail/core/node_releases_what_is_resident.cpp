// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: resident_bytes and release_resident cannot be called with the signatures

#include <reprise/core/chain.hpp>
#include <reprise/core/graph.hpp>
#include <vector>

#include "support/plain_block.hpp"

struct Block : reprise_test::PlainBlock {
#ifdef REPRISE_POSITIVE
  [[nodiscard]] reprise::byte_count resident_bytes() const { return 0; }
  void release_resident() {}
#else
  [[nodiscard]] reprise::byte_count resident_bytes(int) const { return 0; }
  void release_resident() {}
#endif
};

int main() {
  std::vector<Block> blocks(2);
  const auto graph = reprise::chain(blocks);
  return static_cast<int>(graph.input_count());
}
