// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// optimise: always

// What every codec promises, codec by codec; a new one is a header and a line here.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <reprise/backend/bfloat16.hpp>
#include <reprise/backend/float16.hpp>
#include <reprise/codec/bf16.hpp>
#include <reprise/codec/codec.hpp>
#include <reprise/codec/exactness.hpp>
#include <reprise/codec/fp8.hpp>
#include <reprise/codec/mask.hpp>
#include <reprise/codec/quantize.hpp>
#include <reprise/codec/quantize_pair.hpp>
#include <reprise/codec/rounding.hpp>
#include <reprise/core/philox.hpp>
#include <span>
#include <string>

#include "support/codec_conformance.hpp"
#include "support/seed.hpp"

namespace {

using reprise::bfloat16;
using reprise::Exactness;
using reprise::float16;
using reprise::Philox;
using reprise::Quantize;
using reprise::QuantizePair;
using reprise::Rounding;
using reprise_test::check_codec;
using reprise_test::fault_of_codec;

/// Outside of the library: the README's.
struct Halves {
  static constexpr auto exactness = reprise::Exactness::biased;
  static constexpr double bits = 16;
  static std::size_t encoded_bytes(std::size_t elements) { return 2 * elements; }
  static std::string name() { return "halves"; }

  static void encode(std::span<const float> in, std::span<std::byte> code, const reprise::Philox&) {
    reprise::check_code_size(Halves{}, in.size(), code.size());
    for (std::size_t i = 0; i < in.size(); ++i) {
      const bool is_inside = std::abs(in[i]) < 65504 || !std::isfinite(in[i]);
      const float value = is_inside ? in[i] : std::copysign(65504.0F, in[i]);
      const auto half = reprise::float16::from_float(value);
      std::memcpy(&code[2 * i], &half, 2);
    }
  }
  static void decode(std::span<const std::byte> code, std::span<float> out) {
    reprise::check_code_size(Halves{}, out.size(), code.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
      reprise::float16 half;
      std::memcpy(&half, &code[2 * i], 2);
      out[i] = static_cast<float>(half);
    }
  }
};

struct CallsItselfUnbiased : Halves {
  static constexpr auto exactness = Exactness::unbiased;
  // So far away from what halves can say that each error is seen.
  static void decode(std::span<const std::byte> code, std::span<float> out) {
    Halves::decode(code, out);
    for (float& each : out) each += 0.125F;
  }
};
struct CallsItselfExact : Halves {
  static constexpr auto exactness = Exactness::exact;
};
struct Remembers : Halves {
  void encode(std::span<const float> in, std::span<std::byte> code, const Philox& stream) const {
    Halves::encode(in, code, stream);
    if (!code.empty()) code[0] = static_cast<std::byte>(++calls);
  }
  mutable int calls = 0;
};
struct Draws : Halves {
  static void encode(std::span<const float> in, std::span<std::byte> code, const Philox& stream) {
    Halves::encode(in, code, stream);
    if (!code.empty()) code[0] = static_cast<std::byte>(stream.bits(0));
  }
};
struct Overflows : Halves {
  static void encode(std::span<const float> in, std::span<std::byte> code, const Philox&) {
    reprise::check_code_size(Overflows{}, in.size(), code.size());
    for (std::size_t i = 0; i < in.size(); ++i) {
      const auto half = float16::from_float(in[i]);
      std::memcpy(&code[2 * i], &half, 2);
    }
  }
};
struct TakesAnySize : Halves {
  static void encode(std::span<const float> in, std::span<std::byte> code, const Philox& stream) {
    const std::size_t fitting = std::min(in.size(), code.size() / 2);
    Halves::encode(in.first(fitting), code.first(2 * fitting), stream);
  }
};
struct HidesInfinities : Halves {
  static void decode(std::span<const std::byte> code, std::span<float> out) {
    Halves::decode(code, out);
    for (float& each : out) each = std::isfinite(each) ? each : 0;
  }
};
struct ClampsInfinities : Halves {
  static void decode(std::span<const std::byte> code, std::span<float> out) {
    Halves::decode(code, out);
    for (float& each : out) each = std::isinf(each) ? std::copysign(65504.0F, each) : each;
  }
};
struct SaysFewerBits : Halves {
  static constexpr double bits = 8;
};
struct GrowsSmaller : Halves {
  static std::size_t encoded_bytes(std::size_t elements) {
    return elements == 7 ? 1 : 2 * elements;
  }
};
struct WithoutPromise {
  static std::size_t encoded_bytes(std::size_t elements) { return elements; }
};

static_assert(reprise::Codec<Halves>);
static_assert(!reprise::CodecOf<Halves, float16>);
static_assert(!reprise::Codec<WithoutPromise>);
static_assert(!reprise::CodecOf<Quantize<4>, double>);
static_assert(reprise::exactness_of<Quantize<4>, float> == Exactness::unbiased);
static_assert(reprise::exactness_of<Quantize<4, Rounding::nearest>, float> == Exactness::biased);

}  // namespace

TEST_CASE("codecs keep their promises") {
  check_codec(Quantize<4>{}, float{}, float16{}, bfloat16{});
  check_codec(Quantize<8>{}, float{}, float16{}, bfloat16{});
  check_codec(Quantize<3>{}, float{}, float16{}, bfloat16{});
  check_codec(Quantize<2>{}, float{});
  check_codec(Quantize<1>{}, float{});
  check_codec(Quantize<3, Rounding::stochastic, 128>{}, float{}, bfloat16{});
  check_codec(Quantize<1, Rounding::stochastic, 128>{}, float{});
  check_codec(Quantize<4, Rounding::nearest>{}, float{}, float16{});
  check_codec(Quantize<8, Rounding::nearest, 128>{}, float{}, bfloat16{});
}

TEST_CASE("codecs of pairs keep their promises") {
  check_codec(QuantizePair<4>{}, float{}, float16{}, bfloat16{});
  check_codec(QuantizePair<2, 128>{}, float{});
  check_codec(QuantizePair<8>{}, float{});
  check_codec(QuantizePair<3>{}, bfloat16{});
}

TEST_CASE("codecs of floats keep their promises") {
  check_codec(reprise::Bf16{}, float{}, float16{}, bfloat16{});
  check_codec(reprise::Fp8<>{}, float{}, float16{}, bfloat16{});
  check_codec(reprise::Fp8<128>{}, float{});
}

TEST_CASE("masks keep their promises") {
  REPRISE_SEEDED(random);
  using reprise_test::random_mask;
  CHECK(fault_of_codec<float>(reprise::Mask<>{}, random, random_mask<float>) == "");
  CHECK(fault_of_codec<float16>(reprise::Mask<>{}, random, random_mask<float16>) == "");
  CHECK(fault_of_codec<bfloat16>(reprise::Mask<>{}, random, random_mask<bfloat16>) == "");
}

TEST_CASE("a codec from outside keeps its promises") { check_codec(Halves{}, float{}); }

TEST_CASE("codecs that offend are found out") {
  REPRISE_SEEDED(random);
  CHECK(fault_of_codec<float>(CallsItselfUnbiased{}, random) == "it is biased");
  CHECK(fault_of_codec<float>(CallsItselfExact{}, random).starts_with("it is not exact"));
  CHECK(fault_of_codec<float>(Remembers{}, random).starts_with("asked again, it encodes"));
  CHECK(fault_of_codec<float>(Draws{}, random).starts_with("it draws"));
  CHECK(fault_of_codec<float>(Overflows{}, random).starts_with("what was finite is not"));
  CHECK(fault_of_codec<float>(TakesAnySize{}, random).starts_with("it encodes to bytes that do"));
  CHECK(fault_of_codec<float>(HidesInfinities{}, random).starts_with("what is not finite"));
  CHECK(fault_of_codec<float>(ClampsInfinities{}, random).starts_with("what is not finite"));
  CHECK(fault_of_codec<float>(SaysFewerBits{}, random) == "an element takes other than `bits`");
  CHECK(fault_of_codec<float>(GrowsSmaller{}, random) == "more elements take less");
}
