// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <reprise/backend/bfloat16.hpp>
#include <reprise/backend/element_type.hpp>
#include <reprise/backend/float16.hpp>

#include "support/seed.hpp"

namespace {

using reprise::bfloat16;
using reprise::float16;

constexpr std::uint32_t patterns = 1U << 16U;

// The definition of a binary format, from its fields: nothing shared with the implementation.
double by_definition(std::uint32_t pattern, int exponent_bits, int fraction_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const auto fraction = static_cast<int>(pattern & ((1U << fraction_bits) - 1U));
  const auto exponent = static_cast<int>((pattern >> fraction_bits) & ((1U << exponent_bits) - 1U));
  const double sign = (pattern >> 15U) != 0 ? -1.0 : 1.0;
  if (exponent == (1 << exponent_bits) - 1) {
    return fraction != 0 ? std::numeric_limits<double>::quiet_NaN()
                         : sign * std::numeric_limits<double>::infinity();
  }
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - fraction_bits);
  return sign * std::ldexp((1 << fraction_bits) + fraction, exponent - bias - fraction_bits);
}

template <class T>
void check_all_patterns(int exponent_bits, int fraction_bits) {
  for (std::uint32_t pattern = 0; pattern < patterns; ++pattern) {
    const T number{static_cast<std::uint16_t>(pattern)};
    const auto value = static_cast<float>(number);
    const double expected = by_definition(pattern, exponent_bits, fraction_bits);
    CAPTURE(pattern);
    if (std::isnan(expected)) {
      REQUIRE(std::isnan(value));
      REQUIRE(std::isnan(static_cast<float>(T::from_float(value))));
      continue;
    }
    REQUIRE(static_cast<double>(value) == expected);
    REQUIRE(std::signbit(value) == std::signbit(expected));
    REQUIRE(T::from_float(value).bits == pattern);
  }
}

// The nearest of the format's finite values or the overflow to infinity, ties to even patterns:
// by looking at both neighbours of the value that truncation gives.
template <class T>
std::uint16_t nearest(float value, int fraction_bits) {
  const std::uint16_t sign = std::signbit(value) ? 0x8000U : 0U;
  const double magnitude = std::fabs(static_cast<double>(value));
  const std::uint16_t infinity =
      static_cast<std::uint16_t>(0x7FFFU & ~((1U << fraction_bits) - 1U));
  std::uint16_t low = 0;
  std::uint16_t high = infinity;
  while (high - low > 1) {  // the largest pattern whose value is not above
    const auto middle = static_cast<std::uint16_t>((low + high) / 2);
    (static_cast<double>(static_cast<float>(T{middle})) <= magnitude ? low : high) = middle;
  }
  const auto value_of = [&](std::uint16_t pattern) {
    if (pattern != infinity) return static_cast<double>(static_cast<float>(T{pattern}));
    // What comes after the largest finite value if the exponent went on.
    return by_definition(static_cast<std::uint32_t>(infinity - (1U << fraction_bits)),
                         15 - fraction_bits, fraction_bits) *
           2.0;
  };
  const double down = magnitude - value_of(low);
  const double up = value_of(high) - magnitude;
  const std::uint16_t chosen = down < up ? low : up < down ? high : low % 2 == 0 ? low : high;
  return static_cast<std::uint16_t>(sign | chosen);
}

template <class T>
void check_rounding(std::mt19937_64& random, int fraction_bits) {
  for (int i = 0; i < 200'000; ++i) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (!std::isfinite(value)) continue;
    CAPTURE(value);
    REQUIRE(T::from_float(value).bits == nearest<T>(value, fraction_bits));
  }
  for (std::uint32_t pattern = 0; pattern < 0x7F00U; ++pattern) {  // ties, exactly half way
    const double low = static_cast<float>(T{static_cast<std::uint16_t>(pattern)});
    const double high = static_cast<float>(T{static_cast<std::uint16_t>(pattern + 1)});
    const auto middle = static_cast<float>(low + (high - low) / 2);
    if (!std::isfinite(middle)) break;
    CAPTURE(pattern);
    REQUIRE(T::from_float(middle).bits == nearest<T>(middle, fraction_bits));
  }
}

}  // namespace

TEST_CASE("each of the 65536 patterns has the value that its fields define, and comes back") {
  SUBCASE("float16") { check_all_patterns<float16>(5, 10); }
  SUBCASE("bfloat16") { check_all_patterns<bfloat16>(8, 7); }
}

TEST_CASE("a float becomes the nearest number, ties to even") {
  REPRISE_SEEDED(random);
  SUBCASE("float16") { check_rounding<float16>(random, 10); }
  SUBCASE("bfloat16") { check_rounding<bfloat16>(random, 7); }
}

TEST_CASE("conversions are constant expressions") {
  static_assert(static_cast<float>(float16{0x3C00}) == 1.0F);
  static_assert(static_cast<float>(float16{0x0001}) == 0x1p-24F);
  static_assert(static_cast<float>(bfloat16{0xBF80}) == -1.0F);
  static_assert(float16::from_float(65520.0F).bits == 0x7C00);
  static_assert(float16::from_float(65519.0F).bits == 0x7BFF);
  static_assert(bfloat16::from_float(1.0F).bits == 0x3F80);
}

TEST_CASE("element types know their C++ types and sizes") {
  using reprise::ElementType;
  static_assert(reprise::element_type_of<const float> == ElementType::float32);
  static_assert(reprise::element_type_of<double> == ElementType::float64);
  static_assert(reprise::element_type_of<float16> == ElementType::float16);
  static_assert(reprise::element_type_of<const bfloat16> == ElementType::bfloat16);
  static_assert(!reprise::Element<int>);
  for (const ElementType type :
       {ElementType::float32, ElementType::float64, ElementType::float16, ElementType::bfloat16}) {
    CHECK(reprise::with_element_type(type, [](auto element) {
            return reprise::element_type_of<decltype(element)>;
          }) == type);
    CHECK(reprise::with_element_type(type, [](auto element) { return sizeof(element); }) ==
          reprise::element_bytes(type));
  }
  CHECK(reprise::element_bytes(static_cast<ElementType>(9)) == 0);
}
