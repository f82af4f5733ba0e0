// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: takes_backward<Block, std::vector<float.*\(std::vector<float.*&, const
// std::vector<float.*&, (reprise::)?(v0::)?.*PassContext ?&\)

#include <reprise/core/graph.hpp>
#include <vector>

struct Block {
  using tensor_type = std::vector<float>;
  using saved_type = std::vector<float>;

  tensor_type forward(const tensor_type& x, saved_type& h, reprise::PassContext&) {
    h = x;
    return x;
  }
#ifdef REPRISE_POSITIVE
  tensor_type backward(saved_type&, const tensor_type& dy, reprise::PassContext&) { return dy; }
#else
  tensor_type backward(int, const tensor_type& dy, saved_type&) { return dy; }
#endif
};

int main() {
  reprise::Graph<std::vector<float>> graph;
  const reprise::Source x = graph.input();
  graph.output(graph.add(Block{}, x));
  return 0;
}
