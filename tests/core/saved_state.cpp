// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <reprise/core/saved_state.hpp>
#include <tuple>
#include <vector>

namespace {

using Tensor = std::vector<float>;

struct Pair {
  Tensor first;
  std::tuple<int, Tensor> second;
};
struct Opaque {
  [[nodiscard]] reprise::byte_count bytes() const { return 100; }
};
struct Both {
  Tensor tensor;
  Opaque opaque;
};

}  // namespace

TEST_CASE("the bytes of a saved state are its tensors' and its opaque parts'") {
  CHECK(reprise::saved_bytes(reprise::NothingSaved{}) == 0);
  CHECK(reprise::saved_bytes(Pair{Tensor(2), {7, Tensor(3)}}) == 20);
  CHECK(reprise::saved_bytes(std::vector<Tensor>{Tensor(1), Tensor(2)}) == 12);
  CHECK(reprise::saved_bytes(Both{Tensor(1), {}}) == 104);
}

TEST_CASE("a saved state knows its storages and its checksum") {
  const Pair pair{Tensor(2), {7, Tensor(3)}};
  CHECK(reprise::holds_storage(pair, std::get<1>(pair.second).data()));
  CHECK_FALSE(reprise::holds_storage(pair, &pair));
  CHECK(reprise::saved_checksum(pair) == reprise::saved_checksum(Pair{pair}));
  CHECK(reprise::saved_checksum(pair) != reprise::saved_checksum(Pair{Tensor(3), {7, Tensor(2)}}));
}
