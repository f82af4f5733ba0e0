// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// optimise: always

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <reprise/backend/bfloat16.hpp>
#include <reprise/backend/float16.hpp>
#include <reprise/backend/instruction_set.hpp>
#include <reprise/codec/codec_error.hpp>
#include <reprise/codec/quantize.hpp>
#include <reprise/codec/quantize_pair.hpp>
#include <reprise/codec/rounding.hpp>
#include <reprise/core/philox.hpp>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "support/codec_conformance.hpp"
#include "support/seed.hpp"

namespace {

using reprise::bfloat16;
using reprise::float16;
using reprise::Philox;
using reprise::Quantize;
using reprise::Rounding;
using reprise_test::number;
using reprise_test::random_elements;

template <class C, class T>
std::vector<std::byte> encoded(const std::vector<T>& in, const Philox& stream) {
  std::vector<std::byte> code(C::encoded_bytes(in.size()));
  C::encode(std::span<const T>(in), std::span(code), stream);
  return code;
}
template <class C, class T>
std::vector<T> decoded(const std::vector<std::byte>& code, std::size_t size) {
  std::vector<T> out(size);
  C::decode(std::span<const std::byte>(code), std::span(out));
  return out;
}
template <class C, class T>
std::vector<T> there_and_back(const std::vector<T>& in, const Philox& stream) {
  return decoded<C, T>(encoded<C>(in, stream), in.size());
}

// What the documentation states, of a group.
template <class C, class T>
double largest_error(std::span<const T> group, bool is_nearest) {
  double low = number(group[0]);
  double high = low;
  for (const T each : group) {
    low = std::min(low, number(each));
    high = std::max(high, number(each));
  }
  if (low == high) return 0;
  const double most = std::max(std::abs(low), std::abs(high));
  const double span = high - low;
  const double ordinary = (span + 0x1p-10 * std::abs(low)) * (1 + 0x1p-9);
  const double wide = (span + 0x1p-7 * std::abs(low) + 0x1p-130) * (1 + 0x1p-6);
  const bool is_ordinary = most < 32000 && span >= 0x1p-14;
  const double step = (is_ordinary ? ordinary : wide) / C::levels;
  const double of_type = std::is_same_v<T, float>     ? 0
                         : std::is_same_v<T, float16> ? 0x1p-11 * (most + step) + 0x1p-25
                                                      : 0x1p-8 * (most + step);
  return step * ((is_nearest ? 0.5 : 1.0) + 0x1p-14) + 0x1p-23 * most + 0x1p-149 + of_type;
}

template <class C, class T>
void check_errors(std::size_t group, bool is_nearest, std::mt19937_64& random) {
  for (int round = 0; round < 60; ++round) {
    const std::vector<T> in = random_elements<T>(1 + random() % 700, random);
    const std::vector<T> out = there_and_back<C>(in, {random(), 1});
    for (std::size_t at = 0; at < in.size(); at += group) {
      const std::size_t count = std::min(group, in.size() - at);
      const double most = largest_error<C>(std::span<const T>(in).subspan(at, count), is_nearest);
      for (std::size_t i = at; i < at + count; ++i) {
        CAPTURE(number(in[i]));
        CAPTURE(number(out[i]));
        REQUIRE(std::abs(number(in[i]) - number(out[i])) <= most);
      }
    }
  }
}

// The code and what it decodes to, by each set of instructions.
template <class C, class T>
void check_instructions(std::mt19937_64& random) {
  for (int round = 0; round < 40; ++round) {
    const std::vector<T> in = random_elements<T>(random() % 1500, random);
    const Philox stream(random(), random());
    const std::vector<std::byte> code = encoded<C>(in, stream);
    std::vector<std::byte> hostile(code.size());
    for (std::byte& each : hostile) each = static_cast<std::byte>(random());
    const std::vector<T> out = decoded<C, T>(code, in.size());
    const auto check = [&]<class I>(I) {
      if (!I::is_available()) return;
      std::vector<std::byte> other(code.size());
      C::template encode_by<I>(std::span<const T>(in), std::span(other), stream);
      REQUIRE(other == code);
      std::vector<T> back(in.size());
      C::template decode_by<I>(std::span<const std::byte>(code), std::span(back));
      REQUIRE(reprise_test::is_same(back, out));
      C::template decode_by<I>(std::span<const std::byte>(hostile), std::span(back));
    };
    std::apply([&](auto... sets) { (check(sets), ...); }, reprise::instruction_sets::All{});
  }
}

}  // namespace

TEST_CASE("no element comes back further away than is stated") {
  REPRISE_SEEDED(random);
  check_errors<Quantize<4>, float>(256, false, random);
  check_errors<Quantize<1>, float>(256, false, random);
  check_errors<Quantize<8>, float>(256, false, random);
  check_errors<Quantize<3, Rounding::nearest, 128>, float>(128, true, random);
  check_errors<Quantize<8, Rounding::nearest>, float>(256, true, random);
  check_errors<Quantize<2>, float16>(256, false, random);
  check_errors<Quantize<8, Rounding::stochastic, 128>, float16>(128, false, random);
  check_errors<Quantize<4, Rounding::nearest>, bfloat16>(256, true, random);
}

TEST_CASE("instructions do not change a bit") {
  REPRISE_SEEDED(random);
  check_instructions<Quantize<1>, float>(random);
  check_instructions<Quantize<2, Rounding::stochastic, 128>, float>(random);
  check_instructions<Quantize<3>, float>(random);
  check_instructions<Quantize<4>, float16>(random);
  check_instructions<Quantize<8>, bfloat16>(random);
  check_instructions<Quantize<4, Rounding::nearest>, float>(random);
  check_instructions<reprise::QuantizePair<4>, float>(random);
  check_instructions<reprise::QuantizePair<8, 128>, float16>(random);
}

TEST_CASE("equal elements come back as they were") {
  REPRISE_SEEDED(random);
  for (int round = 0; round < 100; ++round) {
    float value = 0;
    do {
      value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    } while (!std::isfinite(value));
    const std::vector<float> in(1 + random() % 600, value);
    REQUIRE(there_and_back<Quantize<2>>(in, {random(), 0}) == in);
  }
}

TEST_CASE("a group's extremes do not touch another group") {
  std::vector<float> in(768, 0.5F);
  in[300] = std::numeric_limits<float>::max();
  in[301] = std::numeric_limits<float>::lowest();
  const std::vector<float> out = there_and_back<Quantize<4>>(in, {1, 2});
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (i < 256 || i >= 512) REQUIRE(out[i] == 0.5F);
    REQUIRE(std::isfinite(out[i]));
  }
}

TEST_CASE("the variance is that of a coin between two codes") {
  REPRISE_SEEDED(random);
  // On a grid of step 1: zero and 15 occur, so that zero point and range are halves.
  std::vector<float> in(256);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] = static_cast<float>(i) * (15.0F / 255.0F);
  constexpr std::size_t draws = 4000;
  std::vector<double> squares(in.size());
  for (std::size_t draw = 0; draw < draws; ++draw) {
    const std::vector<float> out = there_and_back<Quantize<4>>(in, {random(), draw});
    for (std::size_t i = 0; i < in.size(); ++i) squares[i] += std::pow(out[i] - in[i], 2);
  }
  double all = 0;
  double expected = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const double p = static_cast<double>(in[i]) - std::floor(static_cast<double>(in[i]));
    const double variance = p * (1 - p);
    CHECK(std::abs(squares[i] / draws - variance) < 6 * 0.5 / std::sqrt(draws) * 0.5 + 1e-3);
    CHECK(squares[i] / draws < 0.25 + 0.02);
    all += squares[i] / draws;
    expected += variance;
  }
  CHECK(all == doctest::Approx(expected).epsilon(0.01));
}

TEST_CASE("elements draw for themselves") {
  REPRISE_SEEDED(random);
  std::vector<float> in(512, 7.5F);
  for (const std::size_t end : {0U, 256U}) {
    in[end] = 0;
    in[end + 1] = 15;
  }
  constexpr std::size_t draws = 3000;
  std::array<std::size_t, 6> equal{};
  constexpr std::array<std::size_t, 6> other{3, 10, 18, 34, 130, 258};  // and element 2
  for (std::size_t draw = 0; draw < draws; ++draw) {
    const std::vector<float> out = there_and_back<Quantize<4>>(in, {random(), draw});
    for (std::size_t i = 0; i < other.size(); ++i) equal[i] += out[2] == out[other[i]] ? 1 : 0;
  }
  for (const std::size_t count : equal) {
    CHECK(std::abs(static_cast<double>(count) - draws / 2.0) < 6 * std::sqrt(draws) / 2);
  }
  // Neither do the elements of one draw hang together.
  const std::vector<float> large(std::size_t{1} << 18U, 7.5F);
  std::vector<float> pattern = large;
  for (std::size_t at = 0; at < pattern.size(); at += 256) {
    pattern[at] = 0;
    pattern[at + 1] = 15;
  }
  const std::vector<float> out = there_and_back<Quantize<4>>(pattern, {random(), 9});
  for (const std::size_t lag : {1U, 8U, 16U, 32U, 256U, 512U}) {
    double sum = 0;
    double count = 0;
    for (std::size_t i = 0; i + lag < out.size(); ++i) {
      if (i % 256 < 2 || (i + lag) % 256 < 2) continue;
      sum += (static_cast<double>(out[i]) - 7.5) * (static_cast<double>(out[i + lag]) - 7.5) * 4;
      ++count;
    }
    CAPTURE(lag);
    CHECK(std::abs(sum) < 6 * std::sqrt(count));
  }
}

TEST_CASE("what an element draws depends on its place and the stream alone") {
  REPRISE_SEEDED(random);
  const std::vector<float> in = [&] {
    std::vector<float> drawn(1024);
    std::normal_distribution<float> normal;
    for (float& each : drawn) each = normal(random);
    return drawn;
  }();
  const Philox stream(random(), 3);
  const std::vector<float> out = there_and_back<Quantize<3>>(in, stream);
  for (const std::size_t size : {256U, 511U, 513U, 1023U}) {
    const std::vector<float> shorter(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(size));
    const std::vector<float> back = there_and_back<Quantize<3>>(shorter, stream);
    const auto full = static_cast<std::ptrdiff_t>(size / 256 * 256);
    CHECK(std::equal(back.begin(), back.begin() + full, out.begin()));
  }
  std::vector<float> other = in;  // another first group
  for (std::size_t i = 0; i < 256; ++i) other[i] *= -100;
  const std::vector<float> back = there_and_back<Quantize<3>>(other, stream);
  CHECK(std::equal(back.begin() + 256, back.end(), out.begin() + 256));
  // In a group that is full and in one that is not, the same elements draw the same.
  std::vector<float> ramp(256);
  for (std::size_t i = 0; i < ramp.size(); ++i) ramp[i] = 7.0F * static_cast<float>(i % 100) / 99;
  const std::vector<float> full = there_and_back<Quantize<3>>(ramp, stream);
  ramp.pop_back();
  const std::vector<float> partial = there_and_back<Quantize<3>>(ramp, stream);
  CHECK(std::equal(partial.begin(), partial.end(), full.begin()));
}

TEST_CASE("what is not finite is named") {
  for (const std::size_t at : {0U, 255U, 256U, 511U, 520U}) {
    std::vector<float> in(530, 1.0F);
    in[7] = 2.0F;
    in[at] = std::numeric_limits<float>::quiet_NaN();
    std::vector<std::byte> code(Quantize<4>::encoded_bytes(in.size()));
    try {
      Quantize<4>::encode(std::span<const float>(in), std::span(code), {});
      FAIL("not refused");
    } catch (const reprise::NotFinite& error) {
      CHECK(error.element() == at);
      CHECK(std::string(error.what()) ==
            "quantize-4-stochastic-256: element " + std::to_string(at) + " is not finite");
    }
  }
}

TEST_CASE("sizes that do not fit are refused with numbers") {
  std::vector<float> out(300);
  const std::vector<std::byte> code(100);
  CHECK_THROWS_WITH_AS(Quantize<4>::decode(std::span<const std::byte>(code), std::span(out)),
                       "quantize-4-stochastic-256: 300 elements take 158 bytes, not 100",
                       reprise::WrongCodeSize);
}

TEST_CASE("a large tensor comes back") {
  REPRISE_SEEDED(random);
  std::normal_distribution<float> normal;
  std::vector<float> in(300'001);
  for (float& each : in) each = normal(random);
  const std::vector<float> out = there_and_back<Quantize<8>>(in, {1, 2});
  double error = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    error = std::max(error, static_cast<double>(std::abs(in[i] - out[i])));
  }
  CHECK(error < 12.0 / 255);
}
