// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// The order of the additions is part of what `sum_of_squares` promises: plans made from statistics
// must be those of the machine that trained before.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
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
#include <reprise/backend/sum_of_squares.hpp>
#include <tuple>
#include <type_traits>
#include <vector>

#include "support/seed.hpp"

namespace {

using reprise::bfloat16;
using reprise::float16;

// One pattern for all NaNs: which of several comes through is not promised.
std::uint64_t bits(double value) {
  return std::bit_cast<std::uint64_t>(std::isnan(value) ? std::numeric_limits<double>::quiet_NaN()
                                                        : value);
}

template <class T>
double as_double(T value) {
  if constexpr (sizeof(T) == 2) {
    return static_cast<float>(value);
  } else {
    return value;
  }
}

template <class T>
T from_double(double value) {
  if constexpr (sizeof(T) == 2) {
    return T::from_float(static_cast<float>(value));
  } else {
    return static_cast<T>(value);
  }
}

template <class T>
constexpr bool is_scaled = std::is_same_v<T, float> || std::is_same_v<T, bfloat16>;

// What the documentation says, an element at a time, of elements whose squares stay in range.
template <class T>
double in_documented_order(const T* values, std::size_t size) {
  using Number = std::conditional_t<std::is_same_v<T, double>, double, float>;
  constexpr std::size_t lanes = 64 / sizeof(Number);
  constexpr std::size_t run = 8 * 64 / sizeof(T);
  std::array<double, 8> totals{};
  for (std::size_t start = 0; start < size; start += run) {
    std::array<std::vector<Number>, lanes> squares;
    for (std::size_t i = 0; i < run; ++i) {
      const Number value =
          start + i < size ? static_cast<Number>(as_double(values[start + i])) : Number{0};
      const volatile Number square = value * value;  // rounded by itself
      squares[(std::is_same_v<T, bfloat16> ? i / 2 : i) % lanes].push_back(Number{square});
    }
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      std::vector<Number>& tree = squares[lane];
      for (; tree.size() > 1; tree.resize(tree.size() / 2)) {
        for (std::size_t i = 0; i < tree.size() / 2; ++i) tree[i] = tree[2 * i] + tree[2 * i + 1];
      }
      totals[lane % 8] += tree[0];
    }
  }
  double sum = 0;
  for (const double total : totals) sum += total;
  return sum;
}

template <class T>
long double exact_sum(const T* values, std::size_t size) {
  long double sum = 0;
  for (std::size_t i = 0; i < size; ++i) {
    const long double value = as_double(values[i]);
    sum += value * value;
  }
  return sum;
}

// What the documentation says of the relative error.
template <class T>
double error_bound(std::size_t size) {
  const double of_squares = std::is_same_v<T, double> ? 0 : reprise::sum_of_squares_error;
  return of_squares + (static_cast<double>(size) / 64 + 20) * 0x1p-53;
}

// Any pattern of bits: numbers of all sizes, subnormals, zeros of both signs, infinities and NaNs.
template <class T>
T any_pattern(std::mt19937_64& random) {
  const std::uint64_t word = random();
  T value;
  std::memcpy(&value, &word, sizeof(T));
  return value;
}

// Any number whose square a double holds.
template <class T>
T any_number(std::mt19937_64& random) {
  while (true) {
    const T value = any_pattern<T>(random);
    const double size = std::fabs(as_double(value));
    if (size < 1e100 && (size > 1e-100 || size == 0)) return value;
  }
}

template <class T>
std::vector<T> normal_numbers(std::size_t size, double scale, std::mt19937_64& random) {
  std::normal_distribution<double> normal(0, scale);
  std::vector<T> values(size);
  for (T& value : values) value = from_double<T>(normal(random));
  return values;
}

// Calls f with the sum by each set of instructions that this machine has, and by the choice.
template <class T, class F>
void for_each_sum(const T* values, std::size_t size, F f) {
  const auto by = [&]<class I>(I) {
    if (I::is_available()) f(reprise::sum_of_squares<T, I>(values, size));
  };
  std::apply([&](auto... sets) { (by(sets), ...); }, reprise::instruction_sets::All{});
  f(reprise::sum_of_squares<T>(values, size));
}

template <class T>
void check_sums(const T* values, std::size_t size) {
  const long double exact = exact_sum(values, size);
  CAPTURE(size);
  for_each_sum(values, size, [&](double sum) {
    REQUIRE(std::fabs(sum - exact) <= error_bound<T>(size) * exact);
  });
}

}  // namespace

TEST_CASE_TEMPLATE("sums add in the documented order, whatever instructions the machine has", T,
                   float, double, float16, bfloat16) {
  REPRISE_SEEDED(random);
  for (int round = 0; round < 100; ++round) {
    const std::size_t size = random() % 700;
    const std::vector<T> values = normal_numbers<T>(size + 8, 3, random);
    const T* const start = values.data() + random() % 9;
    CAPTURE(size);
    const std::uint64_t expected = bits(in_documented_order(start, size));
    for_each_sum(start, size, [&](double sum) { REQUIRE(bits(sum) == expected); });
  }
}

TEST_CASE_TEMPLATE("whatever the elements are, all instructions give the same bits", T, float,
                   double, float16, bfloat16) {
  REPRISE_SEEDED(random);
  for (int round = 0; round < 200; ++round) {
    const std::size_t size = random() % 700;
    std::vector<T> values(size + 8);
    const bool is_finite = round % 2 == 0;
    for (T& value : values) value = is_finite ? any_number<T>(random) : any_pattern<T>(random);
    const T* const start = values.data() + random() % 9;
    CAPTURE(size);
    const std::uint64_t expected = bits(reprise::sum_of_squares<T>(start, size));
    for_each_sum(start, size, [&](double sum) { REQUIRE(bits(sum) == expected); });
  }
}

TEST_CASE_TEMPLATE("the error is below the documented bound, for elements of any size", T, float,
                   double, float16, bfloat16) {
  REPRISE_SEEDED(random);
  for (int round = 0; round < 30; ++round) {
    const std::size_t size = 1 + random() % 2000;
    std::vector<T> values = normal_numbers<T>(size, 1, random);
    check_sums(values.data(), size);
    for (T& value : values) value = any_number<T>(random);
    check_sums(values.data(), size);
    if constexpr (is_scaled<T>) {  // of one size, where squares leave a float and beyond
      const auto exponent = static_cast<int>(random() % 240) - 125;
      values = normal_numbers<T>(size, std::ldexp(1.0, exponent), random);
      check_sums(values.data(), size);
      for (T& value : values) value = from_double<T>(std::ldexp(1.0, -50));  // where it is decided
      check_sums(values.data(), size);
    }
  }
}

TEST_CASE("runs of float are as good as documented where roundings add up") {
  // Squares and sums of them that all round down as far as can be.
  const std::vector<float> values(4096, 1.0F + 0x1.6p-12F);
  check_sums(values.data(), values.size());
  std::vector<float> uneven(4096, 0x1.fffffep-13F);
  for (std::size_t i = 0; i < uneven.size(); i += 128) {
    std::fill_n(uneven.begin() + static_cast<std::ptrdiff_t>(i), 16, 1.0F);
  }
  check_sums(uneven.data(), uneven.size());
}

TEST_CASE_TEMPLATE("each half counts with its exact square, in a row and behind one", T, float16,
                   bfloat16) {
  std::vector<T> values(33, T{0});
  for (std::uint32_t pattern = 0; pattern <= 0xFFFFU; ++pattern) {
    const T half{static_cast<std::uint16_t>(pattern)};
    const double number = as_double(half);
    T& place = values[pattern % values.size()];
    place = half;
    for_each_sum(values.data(), values.size(), [&](double sum) {
      const bool is_right = std::isnan(number) ? std::isnan(sum) : sum == number * number;
      if (!is_right) FAIL("pattern ", pattern, " gives ", sum);
    });
    place = T{0};
  }
}

TEST_CASE_TEMPLATE("nothing sums to zero", T, float, double, float16, bfloat16) {
  for_each_sum<T>(nullptr, 0, [](double sum) { CHECK(bits(sum) == 0); });
  const std::vector<T> zeros(300, from_double<T>(-0.0));
  for_each_sum(zeros.data(), zeros.size(), [](double sum) { CHECK(bits(sum) == 0); });
}
