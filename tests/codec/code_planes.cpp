// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <reprise/codec/code_planes.hpp>
#include <vector>

#include "support/seed.hpp"

namespace {

using reprise::codes::CodePlanes;
using reprise::codes::CodeRow;

template <std::size_t Width, std::size_t Group, std::size_t W>
void check_packing(std::mt19937_64& random) {
  using Planes = CodePlanes<Width, Group>;
  std::vector<std::uint32_t> codes(Group);
  std::array<typename Planes::template Words<W>, Group / W> registers;
  for (std::size_t i = 0; i < Group; ++i) {
    codes[i] = static_cast<std::uint32_t>(random() % (1U << Width));
    registers[i / W][i % W] = codes[i];
  }
  std::vector<std::byte> bytes(Planes::bytes);
  Planes::template pack<W>(registers, bytes.data());
  for (std::size_t i = 0; i < Group; ++i) {
    typename Planes::template Words<W> unpacked;
    Planes::template unpack<W>(bytes.data(), i / W, unpacked);
    REQUIRE(std::uint32_t{unpacked[i % W]} == codes[i]);
    REQUIRE(Planes::at(bytes.data(), i) == codes[i]);
  }
}

template <std::size_t Width>
void check_width(std::mt19937_64& random) {
  check_packing<Width, 256, 8>(random);
  check_packing<Width, 256, 16>(random);
  check_packing<Width, 128, 8>(random);
  check_packing<Width, 128, 16>(random);
  for (std::size_t count = 1; count < 40; ++count) {
    std::vector<std::byte> row(CodeRow<Width>::bytes(count));
    std::vector<std::uint32_t> codes(count);
    for (std::size_t i = 0; i < count; ++i) {
      codes[i] = static_cast<std::uint32_t>(random() % (1U << Width));
      CodeRow<Width>::put(row.data(), i, codes[i]);
    }
    for (std::size_t i = 0; i < count; ++i) REQUIRE(CodeRow<Width>::at(row.data(), i) == codes[i]);
  }
}

}  // namespace

TEST_CASE("codes of any width come out as they went in") {
  REPRISE_SEEDED(random);
  check_width<1>(random);
  check_width<2>(random);
  check_width<3>(random);
  check_width<4>(random);
  check_width<5>(random);
  check_width<8>(random);
  check_width<9>(random);
}
