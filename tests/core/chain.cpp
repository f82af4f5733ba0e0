// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <reprise/core/chain.hpp>
#include <vector>

namespace {

using Tensor = std::vector<float>;

struct Scale {
  using tensor_type = Tensor;
  float by = 1.0F;

  Tensor forward(const Tensor& x, reprise::PassContext&) const {
    Tensor y(x);
    for (float& e : y) e *= by;
    return y;
  }
  Tensor backward(const Tensor& dy, reprise::PassContext& pass) const { return forward(dy, pass); }
};

}  // namespace

TEST_CASE("a chain's node i reads node i - 1, and each is a layer of its own") {
  std::vector<Scale> nodes{{2.0F}, {3.0F}};
  auto chain = reprise::chain(nodes);
  static_assert(reprise::LayerGraph<decltype(chain)>);
  REQUIRE(chain.size() == 2);
  CHECK(chain.inputs(0)[0].is_graph_input());
  CHECK(chain.inputs(1)[0] == reprise::Source{.node = 0});
  CHECK(chain.outputs()[0] == reprise::Source{.node = 1});
  CHECK(chain.traits(1).layer == 1);
  CHECK(reprise::layer_count(chain) == 2);

  Tensor x{1.0F, 4.0F};
  Tensor* const inputs[] = {&x};
  std::vector<Tensor> y(1);
  decltype(chain)::saved_type saved;
  reprise::PassContext pass({}, reprise::PassMode::profiling);
  chain.forward(1, reprise::Arguments<Tensor>(inputs), y, saved, pass);
  CHECK(y[0] == Tensor{3.0F, 12.0F});
}

TEST_CASE("a chain of no node is refused") {
  std::vector<Scale> nodes;
  CHECK_THROWS_AS(static_cast<void>(reprise::chain(nodes)), reprise::InvalidGraph);
}
