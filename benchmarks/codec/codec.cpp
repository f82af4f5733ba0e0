// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// What encoding and decoding take beside a memcpy of the plain bytes, in turn, on one core; far
// more than caches hold. The time shown is the memcpy's, the counters are medians of ratios to it.

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <reprise/backend/bfloat16.hpp>
#include <reprise/backend/float16.hpp>
#include <reprise/backend/instruction_set.hpp>
#include <reprise/codec/bf16.hpp>
#include <reprise/codec/codec.hpp>
#include <reprise/codec/element_lanes.hpp>
#include <reprise/codec/fp8.hpp>
#include <reprise/codec/mask.hpp>
#include <reprise/codec/quantize.hpp>
#include <reprise/codec/quantize_pair.hpp>
#include <reprise/codec/rounding.hpp>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "support/in_turn.hpp"

namespace {

using reprise::bfloat16;
using reprise::Quantize;
using reprise::QuantizePair;
using reprise::Rounding;

constexpr std::size_t plain_bytes = std::size_t{64} << 20U;

/// Like activations: normal, for masks one or zero.
template <class T>
std::vector<T> elements(bool is_mask) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<T> drawn(1U << 16U);
  for (T& each : drawn) {
    const float value = normal(random);
    each = reprise::codes::to_element<T>(is_mask ? (value > 0 ? 1.0 : 0.0) : double{value});
  }
  std::vector<T> all(plain_bytes / sizeof(T));
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = drawn[i % drawn.size()];
  return all;
}

template <class T>
const std::vector<T>& shared_elements(bool is_mask) {
  static const std::vector<T> numbers = elements<T>(false);
  static const std::vector<T> masks = elements<T>(true);
  return is_mask ? masks : numbers;
}

/// By instructions that the codec chooses.
struct Widest {
  static bool is_available() { return true; }
};

template <class C, class I, class T>
void encode(std::span<const T> in, std::span<std::byte> coded, const reprise::Philox& stream) {
  if constexpr (std::is_same_v<I, Widest>) {
    C::encode(in, coded, stream);
  } else {
    C::template encode_by<I>(in, coded, stream);
  }
}

template <class C, class I, class T>
void decode(std::span<const std::byte> coded, std::span<T> out) {
  if constexpr (std::is_same_v<I, Widest>) {
    C::decode(coded, out);
  } else {
    C::template decode_by<I>(coded, out);
  }
}

template <class C, class T, class I>
void code(benchmark::State& state) {
  if (!I::is_available()) {
    state.SkipWithError("this machine has no such instructions");
    return;
  }
  const std::vector<T>& in = shared_elements<T>(C::name().starts_with("mask"));
  std::vector<T> out(in.size());
  std::vector<std::byte> coded(C::encoded_bytes(in.size()));
  const reprise::Philox stream{1, 2};
  const std::span<const T> from(in);
  const auto copy = [&] {
    std::memcpy(out.data(), in.data(), plain_bytes);
    benchmark::ClobberMemory();
  };
  reprise_bench::InTurn in_turn(
      {{"memcpy", copy},
       {"encode", [&] { encode<C, I>(from, std::span(coded), stream); }},
       {"decode", [&] { decode<C, I>(std::span<const std::byte>(coded), std::span(out)); }}},
      reprise_bench::cpu_seconds_of);
  in_turn.run(state);
  in_turn.for_each_ratio(
      [&](const std::string& name, double ratio) { state.counters[name] = ratio; });
  state.counters["bits"] = C::bits;
}

template <class C, class T, class I>
void add(const std::string& type_and_set) {
  benchmark::RegisterBenchmark((C::name() + "/" + type_and_set).c_str(), code<C, T, I>)
      ->UseManualTime()
      ->Unit(benchmark::kMillisecond);
}

template <class C, class T>
void add_sets(const std::string& type) {
  namespace sets = reprise::instruction_sets;
  add<C, T, Widest>(type + "/widest");
#if defined(__x86_64__)
  add<C, T, sets::Avx2>(type + "/avx2");
#endif
  // For the others it says the same.
  if constexpr (std::is_same_v<C, Quantize<4>>) add<C, T, sets::Portable>(type + "/portable");
}

template <class C>
void add_codec() {
  add_sets<C, float>("float");
  add_sets<C, bfloat16>("bfloat16");
}

const bool is_registered = [] {
  add_codec<Quantize<8>>();
  add_codec<Quantize<4>>();
  add_codec<Quantize<3>>();
  add_codec<Quantize<2>>();
  add_codec<Quantize<1>>();
  add_codec<Quantize<8, Rounding::nearest>>();
  add_codec<Quantize<4, Rounding::nearest>>();
  add_codec<QuantizePair<4>>();
  add_codec<reprise::Bf16>();
  add_codec<reprise::Fp8<>>();
  add_codec<reprise::Mask<>>();
  return true;
}();

}  // namespace
