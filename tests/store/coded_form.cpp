// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// joined: no

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <reprise/codec/bf16.hpp>
#include <reprise/codec/mask.hpp>
#include <reprise/codec/quantize.hpp>
#include <reprise/codec/quantize_pair.hpp>
#include <reprise/core/hash.hpp>
#include <reprise/store/coded_form.hpp>
#include <reprise/store/coding_speed.hpp>
#include <span>
#include <vector>

#include "support/form_maker_conformance.hpp"

namespace {

/// An engine's tensor, as somebody outside of the library has it.
struct Floats {
  std::vector<float> numbers{};
};

}  // namespace

template <>
struct reprise::tensor_traits<Floats> {
  static byte_count bytes(const Floats& t) { return t.numbers.size() * sizeof(float); }
  static const void* storage(const Floats& t) {
    return t.numbers.empty() ? nullptr : t.numbers.data();
  }
  static void accumulate(Floats& into, const Floats& part) {
    for (std::size_t i = 0; i < part.numbers.size(); ++i) into.numbers[i] += part.numbers[i];
  }
  static std::uint64_t checksum(const Floats& t) {
    return hash_bytes(std::as_bytes(std::span(t.numbers)), t.numbers.size());
  }
};

template <>
struct reprise::codable_traits<Floats> {
  using element_type = float;
  using shape_type = std::size_t;
  static std::span<const float> elements(const Floats& t) { return t.numbers; }
  static std::span<float> elements(Floats& t) { return t.numbers; }
  static std::size_t shape(const Floats& t) { return t.numbers.size(); }
  static Floats make(std::size_t size) { return {std::vector<float>(size)}; }
  static Floats make_code(std::size_t, std::size_t elements) { return make(elements); }
};

namespace {

using reprise::CodedForm;
using reprise::Exactness;
using reprise::FormCall;
using reprise::Quantize;
using reprise::QuantizePair;

static_assert(reprise::CodableTensor<Floats>);
static_assert(!reprise::CodableTensor<std::vector<float>>);
static_assert(reprise::FormMaker<CodedForm<Floats, Quantize<4>>, Floats>);

Floats sines(std::size_t elements) {
  Floats tensor;
  for (std::size_t i = 0; i < elements; ++i) {
    tensor.numbers.push_back(static_cast<float>(std::sin(static_cast<double>(i + 1))));
  }
  return tensor;
}

template <class C>
Floats restored(const Floats& tensor, const FormCall& call) {
  const CodedForm<Floats, C> maker;
  auto encoded = maker.make(tensor, call);
  return maker.restore(encoded, call);
}

}  // namespace

TEST_CASE("what codecs keep is kept as a form maker promises") {
  reprise_test::check_form_maker<Floats>(CodedForm<Floats, Quantize<4>>{}, sines);
  reprise_test::check_form_maker<Floats>(
      CodedForm<Floats, Quantize<8, reprise::Rounding::nearest, 128>>{}, sines);
  reprise_test::check_form_maker<Floats>(CodedForm<Floats, QuantizePair<3>>{}, sines);
  reprise_test::check_form_maker<Floats>(CodedForm<Floats, reprise::Bf16>{}, sines);
  reprise_test::check_form_maker<Floats>(CodedForm<Floats, reprise::Mask<>>{},
                                         [](std::size_t elements) {
                                           Floats tensor = sines(elements);
                                           for (float& x : tensor.numbers) x = x > 0 ? 2.0F : 0.0F;
                                           return tensor;
                                         });
}

TEST_CASE("an option says what the codec says") {
  const CodedForm<Floats, Quantize<4>> maker({}, {.encode = 2, .decode = 3});
  const reprise::FormOption option = maker.option(1024 * sizeof(float));
  CHECK(option.bytes == 4 * (256 / 2 + 4));
  CHECK(option.exactness == Exactness::unbiased);
  CHECK(option.cost == 2.0 * 4096);
  CHECK(option.restorations.size() == 1);
  CHECK(option.restorations.front().cost == 3.0 * 4096);
  CHECK(CodedForm<Floats, reprise::Mask<>>{}.option(4096).is_exact());
  CHECK(CodedForm<Floats, QuantizePair<4>>{}.option(4096).restorations.size() == 3);
}

TEST_CASE("the same bits are drawn for the same pass and value, others for others") {
  const Floats tensor = sines(600);
  const FormCall call{.seed = 1, .step = 2, .micro_batch = 3, .value = 4};
  const auto code = [&](FormCall changed) {
    return restored<Quantize<3>>(tensor, changed).numbers;
  };
  CHECK(code(call) == code(call));
  for (const FormCall& other : {FormCall{.seed = 2, .step = 2, .micro_batch = 3, .value = 4},
                                FormCall{.seed = 1, .step = 3, .micro_batch = 3, .value = 4},
                                FormCall{.seed = 1, .step = 2, .micro_batch = 4, .value = 4},
                                FormCall{.seed = 1, .step = 2, .micro_batch = 3, .value = 5}}) {
    CHECK(code(other) != code(call));
  }
}

TEST_CASE("a pair is restored as its mean and as each of its roundings") {
  const Floats tensor = sines(600);
  FormCall call{.seed = 1, .step = 2, .micro_batch = 3, .value = 4};
  std::vector<std::vector<float>> all;
  for (call.restoration = 0; call.restoration < 3; ++call.restoration) {
    all.push_back(restored<QuantizePair<2>>(tensor, call).numbers);
  }
  CHECK(all[1] != all[2]);
  for (std::size_t i = 0; i < tensor.numbers.size(); ++i) {
    CHECK(all[0][i] == doctest::Approx((all[1][i] + all[2][i]) / 2));
  }
}

TEST_CASE("what is not finite is refused, and nothing is lost") {
  Floats tensor = sines(300);
  tensor.numbers[257] = std::numeric_limits<float>::infinity();
  const CodedForm<Floats, Quantize<4>> maker;
  try {
    static_cast<void>(maker.make(tensor, {}));
    FAIL("it was not refused");
  } catch (const reprise::NotFinite& refused) {
    CHECK(refused.element() == 257);
  }
  CHECK(tensor.numbers[256] == sines(300).numbers[256]);
}

TEST_CASE("coding speed is measured") {
  const reprise::CodingSpeed speed = reprise::measured_coding_speed<float, Quantize<4>>();
  CHECK(speed.encode > 0);
  CHECK(speed.decode > 0);
}
