// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: for_each_gradient takes one function f

#include <reprise/core/graph.hpp>
#include <span>
#include <vector>

#include "support/plain_block.hpp"

struct Block : reprise_test::PlainBlock {
  tensor_type dw;
#ifdef REPRISE_POSITIVE
  void for_each_gradient(auto&& f) { f(std::span<float>(dw)); }
#else
  void for_each_gradient(auto&& f, int) { f(std::span<float>(dw)); }
#endif
};

int main() {
  reprise::Graph<std::vector<float>> graph;
  const reprise::Source x = graph.input();
  graph.output(graph.add(Block{}, x));
  return 0;
}
