// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <reprise/backend/bfloat16.hpp>
#include <reprise/backend/instruction_set.hpp>
#include <reprise/codec/bf16.hpp>
#include <reprise/codec/fp8.hpp>
#include <reprise/core/philox.hpp>
#include <span>
#include <tuple>
#include <vector>

#include "support/codec_conformance.hpp"
#include "support/seed.hpp"

namespace {

using reprise::Philox;
using reprise::codes::E4m3;

// The definition of the format, from its fields.
double by_definition(std::uint32_t pattern) {
  const double sign = (pattern & 0x80U) != 0 ? -1 : 1;
  const auto exponent = static_cast<int>((pattern >> 3U) & 15U);
  const auto fraction = static_cast<int>(pattern & 7U);
  return sign *
         (exponent == 0 ? std::ldexp(fraction, -9) : std::ldexp(8 + fraction, exponent - 10));
}

}  // namespace

TEST_CASE("e4m3 is what its fields say, and the nearest") {
  for (std::uint32_t pattern = 0; pattern < 256; ++pattern) {
    const E4m3 number{static_cast<std::uint8_t>(pattern)};
    REQUIRE(static_cast<double>(static_cast<float>(number)) == by_definition(pattern));
    if ((pattern & 0x7FU) == 0x7F) continue;  // what the format calls NaN
    REQUIRE(E4m3::from_float(static_cast<float>(number)).bits == pattern);
    if ((pattern & 0x7FU) >= 0x7E) continue;
    const double here = by_definition(pattern);
    const double next = by_definition(pattern + 1);
    const auto middle = static_cast<float>((here + next) / 2);
    REQUIRE(E4m3::from_float(middle).bits == pattern + (pattern & 1U));
    REQUIRE(E4m3::from_float(std::nextafter(middle, 0.0F)).bits == pattern);
    REQUIRE(E4m3::from_float(middle * (1 + 0x1p-22F)).bits == pattern + 1);
  }
}

TEST_CASE("fp8 comes back within what is stated, by all instructions") {
  REPRISE_SEEDED(random);
  using Codec = reprise::Fp8<>;
  for (int round = 0; round < 60; ++round) {
    const std::vector<float> in = reprise_test::random_elements<float>(1 + random() % 700, random);
    std::vector<std::byte> code(Codec::encoded_bytes(in.size()));
    Codec::encode(std::span<const float>(in), std::span(code), {});
    std::vector<float> out(in.size());
    Codec::decode(std::span<const std::byte>(code), std::span(out));
    for (std::size_t at = 0; at < in.size(); at += 256) {
      double most = 0;
      const std::size_t end = std::min(at + 256, in.size());
      for (std::size_t i = at; i < end; ++i) most = std::max(most, std::abs(double{in[i]}));
      for (std::size_t i = at; i < end; ++i) {
        const double allowed =
            std::max({0x1p-4 * std::abs(double{in[i]}), 0x1p-17 * most, 0x1p-136});
        REQUIRE(std::abs(double{in[i]} - double{out[i]}) <= allowed);
      }
    }
    const auto check = [&]<class I>(I) {
      if (!I::is_available()) return;
      std::vector<std::byte> other(code.size());
      Codec::encode_by<I>(std::span<const float>(in), std::span(other), {});
      REQUIRE(other == code);
      std::vector<float> back(in.size());
      Codec::decode_by<I>(std::span<const std::byte>(code), std::span(back));
      REQUIRE(reprise_test::is_same(back, out));
    };
    std::apply([&](auto... sets) { (check(sets), ...); }, reprise::instruction_sets::All{});
  }
}
