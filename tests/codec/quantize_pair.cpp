// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// optimise: always

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <reprise/backend/instruction_set.hpp>
#include <reprise/codec/quantize.hpp>
#include <reprise/codec/quantize_pair.hpp>
#include <reprise/core/philox.hpp>
#include <span>
#include <tuple>
#include <vector>

#include "support/seed.hpp"

namespace {

using Pair = reprise::QuantizePair<3>;
using reprise::Philox;

struct Numbers {
  std::vector<float> first;
  std::vector<float> second;
  std::vector<float> mean;
};

Numbers pair_of(const std::vector<float>& in, const Philox& stream) {
  std::vector<std::byte> code(Pair::encoded_bytes(in.size()));
  Pair::encode(std::span<const float>(in), std::span(code), stream);
  Numbers numbers{std::vector<float>(in.size()), std::vector<float>(in.size()),
                  std::vector<float>(in.size())};
  const std::span<const std::byte> bytes(code);
  Pair::decode_first(bytes, std::span(numbers.first), stream);
  Pair::decode_second(bytes, std::span(numbers.second), stream);
  Pair::decode(bytes, std::span(numbers.mean));
  return numbers;
}

// From 0 to 7, which is a grid of step 1.
std::vector<float> ramp(std::size_t size) {
  std::vector<float> in(size);
  for (std::size_t i = 0; i < size; ++i) {
    in[i] = 7.0F * static_cast<float>(i % 250) / 249.0F;
  }
  return in;
}

}  // namespace

TEST_CASE("a pair holds two roundings next to each element, and their mean") {
  REPRISE_SEEDED(random);
  for (const std::size_t size : {1U, 5U, 255U, 256U, 700U}) {
    std::vector<float> in(size);
    std::normal_distribution<float> normal;
    for (float& each : in) each = normal(random);
    const Numbers numbers = pair_of(in, {random(), 3});
    for (std::size_t i = 0; i < size; ++i) {
      const double first = numbers.first[i];
      const double second = numbers.second[i];
      REQUIRE(std::abs(first - second) < 2.0);
      REQUIRE(static_cast<double>(numbers.mean[i]) == doctest::Approx((first + second) / 2));
    }
  }
}

TEST_CASE("the two of a pair are independent, unbiased and alike") {
  REPRISE_SEEDED(random);
  const std::vector<float> in = ramp(300);  // with a group that is not full
  constexpr std::size_t draws = 4000;
  std::vector<double> first(in.size());
  std::vector<double> second(in.size());
  std::vector<double> product(in.size());
  std::vector<double> squares(in.size());
  std::vector<double> of_mean(in.size());
  for (std::size_t draw = 0; draw < draws; ++draw) {
    const Numbers numbers = pair_of(in, {random(), draw});
    for (std::size_t i = 0; i < in.size(); ++i) {
      const double a = static_cast<double>(numbers.first[i]) - static_cast<double>(in[i]);
      const double b = static_cast<double>(numbers.second[i]) - static_cast<double>(in[i]);
      first[i] += a;
      second[i] += b;
      product[i] += a * b;
      squares[i] += a * a;
      of_mean[i] += (a + b) * (a + b) / 4;
    }
  }
  double all_squares = 0;
  double all_of_mean = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(first[i]) < 6 * 0.5 * std::sqrt(draws));
    CHECK(std::abs(second[i]) < 6 * 0.5 * std::sqrt(draws));
    CHECK(std::abs(product[i]) < 6 * 0.25 * std::sqrt(draws));
    all_squares += squares[i];
    all_of_mean += of_mean[i];
  }
  CHECK(all_of_mean == doctest::Approx(all_squares / 2).epsilon(0.02));
}

TEST_CASE("the first of a pair is the same by all instructions, and another by another stream") {
  const std::vector<float> in = ramp(900);
  const Philox stream(3, 4);
  std::vector<std::byte> code(Pair::encoded_bytes(in.size()));
  Pair::encode(std::span<const float>(in), std::span(code), stream);
  std::vector<float> first(in.size());
  Pair::decode_first(std::span<const std::byte>(code), std::span(first), stream);
  const auto check = [&]<class I>(I) {
    if (!I::is_available()) return;
    std::vector<float> other(in.size());
    Pair::decode_first_by<I>(std::span<const std::byte>(code), std::span(other), stream);
    CHECK(other == first);
  };
  std::apply([&](auto... sets) { (check(sets), ...); }, reprise::instruction_sets::All{});
  std::vector<float> other(in.size());
  Pair::decode_first(std::span<const std::byte>(code), std::span(other), Philox(3, 5));
  CHECK(other != first);
}

TEST_CASE("a pair takes one bit more than one of them") {
  CHECK(Pair::encoded_bytes(1 << 20) ==
        reprise::Quantize<3>::encoded_bytes(1 << 20) + (1 << 20) / 8);
}
