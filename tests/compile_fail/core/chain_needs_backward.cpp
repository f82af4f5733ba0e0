// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: takes_backward<Half

#include <reprise/core/chain.hpp>
#include <vector>

struct Half {
  using tensor_type = std::vector<float>;

  tensor_type forward(const tensor_type& x, reprise::PassContext&) { return x; }
#ifdef REPRISE_POSITIVE
  tensor_type backward(const tensor_type& dy, reprise::PassContext&) { return dy; }
#endif
};

int main() {
  std::vector<Half> nodes(2);
  return static_cast<int>(reprise::chain(nodes).size());
}
