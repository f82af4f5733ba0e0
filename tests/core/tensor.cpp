// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <reprise/core/tensor.hpp>
#include <vector>

TEST_CASE("a vector of numbers is a tensor") {
  using Tensor = std::vector<float>;
  using Traits = reprise::tensor_traits<Tensor>;
  Tensor a{1.0F, 2.0F};
  CHECK(Traits::bytes(a) == 8);
  CHECK(Traits::bytes({}) == 0);
  CHECK(Traits::storage({}) == nullptr);
  Traits::accumulate(a, {0.5F, 0.25F});
  CHECK(a == Tensor{1.5F, 2.25F});
  CHECK(Traits::checksum(a) == Traits::checksum(Tensor{1.5F, 2.25F}));
  CHECK(Traits::checksum(a) != Traits::checksum(Tensor{2.25F, 1.5F}));
  CHECK_THROWS_AS(Traits::accumulate(a, {1.0F}), reprise::InvalidArgument);
  CHECK(reprise::counted_bytes(a) == 8);
}
