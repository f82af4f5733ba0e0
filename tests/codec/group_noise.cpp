// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <reprise/backend/instruction_set.hpp>
#include <reprise/codec/group_noise.hpp>
#include <reprise/core/philox.hpp>
#include <vector>

#include "support/seed.hpp"

namespace {

using reprise::Philox;
using reprise::codes::group_coins;
using reprise::codes::group_noises;
using reprise::codes::GroupNoise;
using reprise::instruction_sets::Vector;

template <std::size_t W>
void check_block(const GroupNoise& noise) {
  for (std::uint32_t block = 0; block < 8; ++block) {
    std::array<Vector<std::uint32_t, W>, 32 / W> registers;
    noise.block<W>(block, registers);
    for (std::size_t i = 0; i < 32; ++i) {
      REQUIRE(std::uint32_t{registers[i / W][i % W]} == noise(block * 32 + i));
    }
  }
}

}  // namespace

TEST_CASE("registers of noise are its elements in order") {
  REPRISE_SEEDED(random);
  const GroupNoise noise{static_cast<std::uint32_t>(random()),
                         static_cast<std::uint32_t>(random())};
  check_block<8>(noise);
  check_block<16>(noise);
}

TEST_CASE("noise is spread evenly, over elements and over streams") {
  REPRISE_SEEDED(random);
  constexpr std::size_t buckets = 256;
  constexpr std::size_t each = 400;
  std::vector<double> of_elements(buckets);
  std::vector<double> of_streams(buckets);
  const Philox stream(random(), 1);
  for (std::size_t i = 0; i < buckets * each; ++i) {
    of_elements[group_noises(stream, i / 256)[0](i % 256) / 256] += 1;
    of_streams[group_noises({random(), i}, 5)[1](77) / 256] += 1;
  }
  for (const auto& counts : {of_elements, of_streams}) {
    double chi_squared = 0;
    for (const double count : counts) chi_squared += std::pow(count - each, 2) / each;
    CHECK(std::abs(chi_squared - (buckets - 1)) < 6 * std::sqrt(2.0 * buckets));
  }
}

TEST_CASE("the noises of a group and its coins do not hang together") {
  REPRISE_SEEDED(random);
  const Philox stream(random(), 1);
  constexpr std::size_t size = 1 << 17;
  std::array<double, 3> sums{};
  const auto centred = [](std::uint32_t bits) { return (bits - 32767.5) / 18918.6; };
  for (std::size_t i = 0; i < size; ++i) {
    const auto noises = group_noises(stream, i / 256);
    const double first = centred(noises[0](i % 256));
    const double second = centred(noises[1](i % 256));
    const double coin = (group_coins(stream, i / 256)(i % 256) & 1U) != 0 ? 1 : -1;
    sums[0] += first * second;
    sums[1] += first * coin;
    sums[2] += second * coin;
  }
  for (const double sum : sums) CHECK(std::abs(sum) < 6 * std::sqrt(size));
}
