// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// The order of the additions is part of what `sum_of_squares` promises: plans made from statistics
// must be those of the machine that trained before.

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <reprise/backend/bfloat16.hpp>
#include <reprise/backend/float16.hpp>
#include <reprise/backend/sum_of_squares.hpp>
#include <vector>

#include "support/seed.hpp"

namespace {

using reprise::Instructions;

std::uint64_t bits(double value) { return std::bit_cast<std::uint64_t>(value); }

template <class T>
double as_double(T value) {
  if constexpr (sizeof(T) == 2) {
    return static_cast<float>(value);
  } else {
    return value;
  }
}

// What the documentation says, an element at a time.
template <class T>
double in_documented_order(const T* values, std::size_t size) {
  constexpr std::size_t line = 64 / sizeof(T);
  const std::size_t in_lines = size / line * line;
  std::array<double, 8> lanes{};
  for (std::size_t i = 0; i < in_lines; ++i) {
    const double value = as_double(values[i]);
    lanes[i % 8] += value * value;
  }
  double total = 0;
  for (const double lane : lanes) total += lane;
  for (std::size_t i = in_lines; i < size; ++i) {
    const double value = as_double(values[i]);
    total += value * value;
  }
  return total;
}

// Any finite pattern of bits: normal numbers of all sizes, subnormals and zeros of both signs.
template <class T>
T any_finite(std::mt19937_64& random) {
  while (true) {
    const std::uint64_t word = random();
    T value;
    std::memcpy(&value, &word, sizeof(T));
    // A double's square may overflow, the others' may not.
    const double number = as_double(value);
    if (std::isfinite(number) && std::fabs(number) < 1e100) return value;
  }
}

}  // namespace

TEST_CASE_TEMPLATE("sums add in the documented order, whatever instructions the machine has", T,
                   float, double, reprise::float16, reprise::bfloat16) {
  REPRISE_SEEDED(random);
  for (std::size_t size = 0; size < 300; ++size) {
    std::vector<T> values(size + 1);
    for (T& value : values) value = any_finite<T>(random);
    const T* const start = values.data() + size % 2;  // not on a line's boundary
    CAPTURE(size);
    const std::uint64_t expected = bits(in_documented_order(start, size));
    REQUIRE(bits(reprise::sum_of_squares<T, Instructions::of_build>(start, size)) == expected);
    REQUIRE(bits(reprise::sum_of_squares<T, Instructions::of_machine>(start, size)) == expected);
  }
}

TEST_CASE_TEMPLATE("each half counts with its exact square, in a line and behind one", T,
                   reprise::float16, reprise::bfloat16) {
  std::vector<T> values(33, T{0});
  for (std::uint32_t pattern = 0; pattern <= 0xFFFFU; ++pattern) {
    const T half{static_cast<std::uint16_t>(pattern)};
    const double number = as_double(half);
    const auto check = [&](double sum) {
      const bool is_right = std::isnan(number) ? std::isnan(sum) : sum == number * number;
      if (!is_right) FAIL("pattern ", pattern, " gives ", sum);
    };
    for (const std::size_t at : {pattern % 32, std::uint32_t{32}}) {
      values[at] = half;
      check(reprise::sum_of_squares<T, Instructions::of_build>(values.data(), values.size()));
      check(reprise::sum_of_squares<T, Instructions::of_machine>(values.data(), values.size()));
      values[at] = T{0};
    }
  }
}
