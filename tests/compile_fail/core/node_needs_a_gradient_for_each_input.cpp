// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: backward returns one gradient for each input

#include <array>
#include <reprise/core/graph.hpp>
#include <vector>

struct Add {
  using tensor_type = std::vector<float>;

  tensor_type forward(const tensor_type& a, const tensor_type&, reprise::PassContext&) { return a; }
#ifdef REPRISE_POSITIVE
  std::array<tensor_type, 2> backward(const tensor_type& dy, reprise::PassContext&) {
    return {dy, dy};
  }
#else
  tensor_type backward(const tensor_type& dy, reprise::PassContext&) { return dy; }
#endif
};

int main() {
  reprise::Graph<std::vector<float>> graph;
  const reprise::Source x = graph.input();
  graph.output(graph.add(Add{}, x, x));
  return 0;
}
