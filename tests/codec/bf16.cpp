// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <reprise/backend/bfloat16.hpp>
#include <reprise/backend/float16.hpp>
#include <reprise/backend/instruction_set.hpp>
#include <reprise/codec/bf16.hpp>
#include <reprise/core/philox.hpp>
#include <span>
#include <tuple>
#include <vector>

#include "support/codec_conformance.hpp"
#include "support/seed.hpp"

namespace {

template <class T>
std::vector<T> there_and_back(const std::vector<T>& in) {
  std::vector<std::byte> code(reprise::Bf16::encoded_bytes(in.size()));
  reprise::Bf16::encode(std::span<const T>(in), std::span(code), {});
  std::vector<T> out(in.size());
  reprise::Bf16::decode(std::span<const std::byte>(code), std::span(out));
  return out;
}

}  // namespace

TEST_CASE("the nearest bfloat16 is kept") {
  REPRISE_SEEDED(random);
  const std::vector<float> in = reprise_test::random_elements<float>(1000, random);
  const std::vector<float> out = there_and_back(in);
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (std::abs(in[i]) > 0x1.FEp127F) continue;
    REQUIRE(out[i] == static_cast<float>(reprise::bfloat16::from_float(in[i])));
  }
}

TEST_CASE("an element's code does not depend on where it stands, or on what codes it") {
  REPRISE_SEEDED(random);
  namespace sets = reprise::instruction_sets;
  std::vector<float> in(100'003);
  for (float& each : in) {
    each = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    // Every other one at the borders: the largest of both types, infinities, the first NaNs.
    if (random() % 2 == 0) {
      each = std::bit_cast<float>(static_cast<std::uint32_t>(
          (random() % 2 << 31U) + 0x7F7F'7FF0U + (random() % 2) * 0x8010U + random() % 32));
    }
  }
  std::vector<std::byte> alone(in.size() * 2);
  for (std::size_t i = 0; i < in.size(); ++i) {
    reprise::Bf16::encode(std::span<const float>(in).subspan(i, 1),
                          std::span(alone).subspan(2 * i, 2), {});
  }
  const auto check = [&]<class I>(I) {
    if (!I::is_available()) return;
    std::vector<std::byte> code(alone.size());
    reprise::Bf16::encode_by<I>(std::span<const float>(in), std::span(code), {});
    CHECK(code == alone);
    std::vector<float> out(in.size());
    reprise::Bf16::decode_by<I>(std::span<const std::byte>(code), std::span(out));
    for (std::size_t i = 0; i < out.size(); ++i) {
      std::uint16_t half = 0;
      std::memcpy(&half, &code[2 * i], 2);
      REQUIRE(std::bit_cast<std::uint32_t>(out[i]) == std::uint32_t{half} << 16U);
    }
  };
  std::apply([&](auto... all) { (check(all), ...); }, sets::All{});
}

TEST_CASE("what is finite stays finite, what is not comes back") {
  constexpr float most = std::numeric_limits<float>::max();
  constexpr float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> out = there_and_back<float>({most, -most, infinity, -infinity});
  CHECK(out == std::vector<float>{0x1.FEp127F, -0x1.FEp127F, infinity, -infinity});
  CHECK(std::isnan(there_and_back<float>({std::numeric_limits<float>::quiet_NaN()})[0]));
  const std::vector<reprise::float16> largest{{0x7BFFU}, {0xFBFFU}, {0x7C00U}};
  CHECK(reprise_test::is_same(there_and_back(largest), largest));
}
