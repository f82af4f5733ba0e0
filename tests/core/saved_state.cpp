// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// joined: no
#include <doctest/doctest.h>

#include <cstdint>
#include <reprise/core/saved_state.hpp>
#include <tuple>
#include <utility>
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

/// Of an engine that has nothing to say of empty tensors.
struct Row {
  Tensor elements{};
};

}  // namespace

template <>
struct reprise::tensor_traits<Row> {
  static byte_count bytes(const Row& row) { return 4 * row.elements.size(); }
  static const void* storage(const Row& row) {
    return row.elements.empty() ? nullptr : row.elements.data();
  }
  static void accumulate(Row&, const Row&) {}
  static std::uint64_t checksum(const Row& row) {
    return static_cast<std::uint64_t>(row.elements.at(0));
  }
};

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

TEST_CASE("a checksum is asked of tensors with memory only") {
  struct Rows {
    Row first;
    Row second;
  };
  const auto checksum = [](Tensor first, Tensor second) {
    return reprise::saved_checksum(Rows{{std::move(first)}, {std::move(second)}});
  };
  CHECK(checksum({1}, {}) != checksum({}, {1}));
  CHECK(checksum({1}, {}) != checksum({2}, {}));
  CHECK(checksum({}, {}) == checksum({}, {}));
}
