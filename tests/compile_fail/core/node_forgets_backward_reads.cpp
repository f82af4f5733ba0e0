// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: backward takes the inputs, and the node does not say that it reads them

#include <reprise/core/chain.hpp>
#include <vector>

struct Square {
  using tensor_type = std::vector<float>;
#ifdef REPRISE_POSITIVE
  static constexpr auto backward_reads = reprise::Reads::input;
#endif

  tensor_type forward(const tensor_type& x, reprise::PassContext&) { return x; }
  tensor_type backward(const tensor_type& x, const tensor_type&, reprise::PassContext&) {
    return x;
  }
};

int main() {
  std::vector<Square> nodes(2);
  return reprise::chain(nodes).size() == 2 ? 0 : 1;
}
