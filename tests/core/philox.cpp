// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <reprise/core/philox.hpp>

TEST_CASE("Philox gives the blocks of the Random123 paper's known answers") {
  using Block = reprise::Philox::block_type;
  CHECK(reprise::Philox(0, 0).block(0) ==
        Block{0x6627e8d5U, 0xe169c58dU, 0xbc57ac4cU, 0x9b00dbd8U});
  constexpr std::uint64_t ones = ~std::uint64_t{0};
  CHECK(reprise::Philox(ones, ones).block(ones) ==
        Block{0x408f276dU, 0x41c83b0eU, 0xa20bc7c6U, 0x6d5451fdU});
  CHECK(reprise::Philox(0x299f31d0'a4093822U, 0x03707344'13198a2eU).block(0x85a308d3'243f6a88U) ==
        Block{0xd16cfe09U, 0x94fdccebU, 0x5001e420U, 0x24126ea1U});
}

TEST_CASE("elements are the words of the blocks, floats lie in [0, 1)") {
  const reprise::Philox random(7, 3);
  for (std::uint64_t i = 0; i < 1000; ++i) {
    CHECK(random.bits(i) == random.block(i / 4)[i % 4]);
    CHECK(random.uniform(i) >= 0.0F);
    CHECK(random.uniform(i) < 1.0F);
  }
}
