// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <reprise/backend/float16.hpp>
#include <reprise/backend/instruction_set.hpp>
#include <reprise/codec/codec_error.hpp>
#include <reprise/codec/mask.hpp>
#include <reprise/core/philox.hpp>
#include <span>
#include <tuple>
#include <vector>

#include "support/codec_conformance.hpp"
#include "support/seed.hpp"

namespace {

using reprise::Mask;
using reprise::MaskReads;
constexpr float infinity = std::numeric_limits<float>::infinity();

template <class C, class T>
std::vector<T> there_and_back(const std::vector<T>& in) {
  std::vector<std::byte> code(C::encoded_bytes(in.size()));
  C::encode(std::span<const T>(in), std::span(code), {});
  std::vector<T> out(in.size());
  C::decode(std::span<const std::byte>(code), std::span(out));
  return out;
}

}  // namespace

TEST_CASE("any two values come back to the bit") {
  using Values = std::vector<float>;
  for (const Values& in :
       {Values{0, 1.25F, 0, 1.25F}, Values{1.25F, 0}, Values{0, -0.0F, 0}, Values{3, 3, 3},
        Values{infinity, 2, 2, infinity, 2}, Values{std::numeric_limits<float>::quiet_NaN(), 1}}) {
    CHECK(reprise_test::is_same(there_and_back<Mask<>>(in), in));
  }
}

TEST_CASE("a third value is refused by its place") {
  const std::vector<float> in{0, 2, 0, 2, 0, 2, 0, 2, 0, 1};
  std::vector<std::byte> code(Mask<>::encoded_bytes(in.size()));
  try {
    Mask<>::encode(std::span<const float>(in), std::span(code), {});
    FAIL("not refused");
  } catch (const reprise::NotAMask& error) {
    CHECK(error.element() == 9);
  }
}

TEST_CASE("a mask that is read for its sign says what is positive") {
  REPRISE_SEEDED(random);
  using Positive = Mask<MaskReads::is_positive>;
  for (const std::size_t size : {0U, 1U, 7U, 8U, 9U, 1000U}) {
    const std::vector<float> in = reprise_test::random_elements<float>(size, random);
    const std::vector<float> out = there_and_back<Positive>(in);
    for (std::size_t i = 0; i < size; ++i) REQUIRE(out[i] == (in[i] > 0 ? 1.0F : 0.0F));
  }
  CHECK(there_and_back<Positive, float>({infinity, -infinity, -0.0F}) ==
        std::vector<float>{1, 0, 0});
  CHECK(Positive::encoded_bytes(1000) == 125);
  CHECK(Mask<>::encoded_bytes(1000) == 133);
}

TEST_CASE("any instructions give the same bits, and refuse the same element") {
  REPRISE_SEEDED(random);
  namespace sets = reprise::instruction_sets;
  for (const std::size_t size : {1U, 255U, 256U, 257U, 512U, 1000U, 5000U}) {
    CAPTURE(size);
    std::vector<float> in(size);
    for (float& each : in) each = random() % 2 == 0 ? -0.0F : 1.25F;
    std::vector<std::byte> expected(Mask<>::encoded_bytes(size));
    Mask<>::encode(std::span<const float>(in), std::span(expected), {});
    std::vector<float> spoilt = in;
    const std::size_t at = random() % size;
    spoilt[0] = -0.0F;
    spoilt[at] = 0.0F;  // another value than both
    const auto check = [&]<class I>(I) {
      if (!I::is_available()) return;
      std::vector<std::byte> code(expected.size());
      Mask<>::encode_by<I>(std::span<const float>(in), std::span(code), {});
      CHECK(code == expected);
      std::vector<float> out(size);
      Mask<>::decode_by<I>(std::span<const std::byte>(code), std::span(out));
      CHECK(reprise_test::is_same(out, in));
      const bool has_both = std::ranges::count(spoilt, 1.25F) > 0;
      if (!has_both || at == 0) return;
      // The second value that occurs is a value of the mask, the third is refused.
      const auto first = [&](float value) {
        return static_cast<std::size_t>(
            std::ranges::find_if(spoilt,
                                 [value](float x) {
                                   return std::bit_cast<std::uint32_t>(x) ==
                                          std::bit_cast<std::uint32_t>(value);
                                 }) -
            spoilt.begin());
      };
      try {
        Mask<>::encode_by<I>(std::span<const float>(spoilt), std::span(code), {});
        FAIL("not refused");
      } catch (const reprise::NotAMask& error) {
        CHECK(error.element() == std::max(first(1.25F), at));
      }
    };
    std::apply([&](auto... all) { (check(all), ...); }, sets::All{});
  }
}
