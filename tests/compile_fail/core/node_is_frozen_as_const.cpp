// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: is_frozen cannot be called with the signature bool is_frozen\(\) const

#include <reprise/core/chain.hpp>
#include <reprise/core/graph.hpp>
#include <span>
#include <vector>

struct Block {
  using tensor_type = std::vector<float>;
  tensor_type dw;
  tensor_type forward(const tensor_type& x, reprise::PassContext&) { return x; }
  tensor_type backward(const tensor_type& dy, reprise::PassContext&) { return dy; }
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
