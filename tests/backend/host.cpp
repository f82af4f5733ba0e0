// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// backends: all

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <reprise/backend/device_loss_scale.hpp>
#include <reprise/backend/element_type.hpp>
#include <reprise/backend/gradient_view.hpp>
#include <reprise/backend/host.hpp>
#include <reprise/core/error.hpp>
#include <reprise/stats/gradient_scale.hpp>
#include <string>
#include <vector>

#include "support/backends.hpp"
#include "support/random_tensors.hpp"
#include "support/seed.hpp"

namespace {

using reprise::bfloat16;
using reprise::DeviceLossScale;
using reprise::ElementType;
using reprise::float16;
using reprise::gradient_view;
using reprise::GradientView;
using reprise_test::vector_for;

constexpr std::size_t chunk = reprise::HostBackend<reprise::Serial>::chunk_elements;

template <class B>
using Tensors =
    reprise_test::Tensors<typename reprise_test::Machine<B>::template allocator<double>>;

template <class B>
Tensors<B> random_tensors(std::mt19937_64& random) {
  return reprise_test::random_tensors<typename Tensors<B>::allocator_type>(random, chunk);
}

template <class B>
std::vector<double> sums_of(const Tensors<B>& tensors) {
  B backend;
  const auto plan = backend.make_plan(tensors.views, tensors.sums.size());
  auto sums = backend.make_buffer(tensors.sums.size());
  backend.sum_of_squares(plan, sums);
  std::vector<double> host(tensors.sums.size());
  backend.copy_to_host(sums, host);
  return host;
}

std::vector<std::uint64_t> bits(const std::vector<double>& values) {
  std::vector<std::uint64_t> patterns;
  for (const double value : values) patterns.push_back(std::bit_cast<std::uint64_t>(value));
  return patterns;
}

template <class B>
std::string registration_error(const std::vector<GradientView>& views, std::size_t layers) {
  B backend;
  try {
    static_cast<void>(backend.make_plan(views, layers));
  } catch (const reprise::InvalidArgument& error) {
    return error.what();
  }
  return "";
}

template <class B>
void update_average(B& backend, double factor, const std::vector<double>& sums,
                    typename B::buffer_type& moments, typename B::buffer_type& statistics) {
  auto buffer = backend.make_buffer(sums.size());
  backend.copy_from_host(sums, buffer);
  backend.update_average(reprise::SmoothingArchetype{}, factor, buffer, moments, statistics);
}

template <class B>
std::vector<double> on_host(const B& backend, const typename B::buffer_type& buffer,
                            std::size_t size) {
  std::vector<double> host(size);
  backend.copy_to_host(buffer, host);
  return host;
}

}  // namespace

TEST_CASE_TEMPLATE_DEFINE("sums of squares are those of long double arithmetic", B, accuracy) {
  REPRISE_SEEDED(random);
  for (int i = 0; i < 50; ++i) {
    const auto tensors = random_tensors<B>(random);
    const std::vector<double> sums = sums_of<B>(tensors);
    for (std::size_t layer = 0; layer < sums.size(); ++layer) {
      const double expected = tensors.sums[layer];
      CAPTURE(i);
      CAPTURE(layer);
      REQUIRE(std::fabs(sums[layer] - expected) <= reprise_test::Machine<B>::sum_error * expected);
    }
  }
}
TEST_CASE_TEMPLATE_APPLY(accuracy, reprise_test::Backends);

TEST_CASE_TEMPLATE_DEFINE("sums have the same bits for any number of threads and on every system",
                          B, bit_identity) {
  REPRISE_SEEDED(random);
  for (int i = 0; i < 20; ++i) {
    const auto tensors = random_tensors<B>(random);
    const auto expected = bits(sums_of<typename reprise_test::Machine<B>::reference>(tensors));
    for (const int threads : {1, 2, 3, 7}) {
      reprise_test::with_threads(threads, [&] {
        CAPTURE(threads);
        REQUIRE(bits(sums_of<B>(tensors)) == expected);
      });
    }
  }
}
TEST_CASE_TEMPLATE_APPLY(bit_identity, reprise_test::Backends);

TEST_CASE_TEMPLATE_DEFINE("a layer alone has the bits that it has in the whole pass", B, by_layer) {
  REPRISE_SEEDED(random);
  for (int i = 0; i < 20; ++i) {
    const auto tensors = random_tensors<B>(random);
    const std::vector<double> whole = sums_of<B>(tensors);
    B backend;
    const auto plan = backend.make_plan(tensors.views, whole.size());
    auto sums = backend.make_buffer(whole.size());
    for (std::size_t layer = whole.size(); layer-- > 0;) {
      backend.sum_of_squares(plan, layer, sums, layer);
    }
    REQUIRE(bits(on_host(backend, sums, whole.size())) == bits(whole));
  }
}
TEST_CASE_TEMPLATE_APPLY(by_layer, reprise_test::Backends);

TEST_CASE_TEMPLATE_DEFINE("empty tensors and empty lists sum to zero", B, empties) {
  Tensors<B> none(3);
  CHECK(sums_of<B>(none) == std::vector<double>{0, 0, 0});
  none.views = {{nullptr, 0, ElementType::float32, 1}, {nullptr, 0, ElementType::bfloat16, 2}};
  CHECK(sums_of<B>(none) == std::vector<double>{0, 0, 0});
  CHECK(sums_of<B>(Tensors<B>(0)).empty());
}
TEST_CASE_TEMPLATE_APPLY(empties, reprise_test::Backends);

TEST_CASE_TEMPLATE_DEFINE("what is not finite comes through, wherever it stands", B, non_finite) {
  constexpr float bad[] = {std::numeric_limits<float>::infinity(),
                           -std::numeric_limits<float>::infinity(),
                           std::numeric_limits<float>::quiet_NaN()};
  const std::size_t size = chunk + 77;
  for (const float value : bad) {
    for (const std::size_t at : {std::size_t{0}, std::size_t{63}, chunk - 1, chunk, size - 1}) {
      vector_for<B, float> floats(size, 1.0F);
      vector_for<B, double> doubles(size, 1.0);
      vector_for<B, float16> halves(size, float16::from_float(1.0F));
      vector_for<B, bfloat16> brains(size, bfloat16::from_float(1.0F));
      floats[at] = value;
      doubles[at] = value;
      halves[at] = float16::from_float(value);
      brains[at] = bfloat16::from_float(value);
      Tensors<B> tensors(5);
      tensors.views = {gradient_view(floats, 0), gradient_view(doubles, 1),
                       gradient_view(halves, 2), gradient_view(brains, 3)};
      const std::vector<double> sums = sums_of<B>(tensors);
      for (std::size_t layer = 0; layer < 4; ++layer) {
        CHECK(std::isnan(sums[layer]) == std::isnan(value));
        CHECK(!std::isfinite(sums[layer]));
      }
      CHECK(sums[4] == 0);
    }
  }
}
TEST_CASE_TEMPLATE_APPLY(non_finite, reprise_test::Backends);

TEST_CASE_TEMPLATE_DEFINE("large floats do not overflow, and small ones vanish in float only", B,
                          range) {
  const vector_for<B, float> large(100, std::numeric_limits<float>::max());
  const vector_for<B, float> small(100, std::numeric_limits<float>::denorm_min());
  Tensors<B> tensors(2);
  tensors.views = {gradient_view(large, 0), gradient_view(small, 1)};
  const std::vector<double> sums = sums_of<B>(tensors);
  const double max = std::numeric_limits<float>::max();
  CHECK(sums[0] == doctest::Approx(100 * max * max));
  CHECK(sums[1] == (reprise_test::Machine<B>::squares_in_float ? 0 : 100 * 0x1p-298));
}
TEST_CASE_TEMPLATE_APPLY(range, reprise_test::Backends);

TEST_CASE_TEMPLATE_DEFINE("bad tensors are refused when they are registered", B, refusals) {
  const vector_for<B, double> memory(8);
  const auto* const bytes = reinterpret_cast<const std::byte*>(memory.data());
  CHECK(registration_error<B>({{nullptr, 0}, {bytes, 8}}, 1).empty());
  CHECK(registration_error<B>({{bytes, 4}, {nullptr, 3}}, 1) ==
        "gradient 1 (layer 0, 3 elements): its pointer is null but its length is not zero");
  CHECK(registration_error<B>({{bytes + 2, 3}}, 1) ==
        "gradient 0 (layer 0, 3 elements): its address is not a multiple of its element's 4 bytes");
  CHECK(registration_error<B>({{bytes + 1, 3, ElementType::float16}}, 1) ==
        "gradient 0 (layer 0, 3 elements): its address is not a multiple of its element's 2 bytes");
  CHECK(registration_error<B>({{bytes + 4, 3, ElementType::float64}}, 1) ==
        "gradient 0 (layer 0, 3 elements): its address is not a multiple of its element's 8 bytes");
  CHECK(registration_error<B>({{bytes, 3, ElementType::float32, 2}}, 2) ==
        "gradient 0 (layer 2, 3 elements): there are only 2 layers");
  CHECK(registration_error<B>({{bytes, 3, static_cast<ElementType>(7)}}, 1) ==
        "gradient 0 (layer 0, 3 elements): element type 7 is unknown");
  CHECK(
      registration_error<B>({{bytes, std::numeric_limits<std::size_t>::max()}}, 1) ==
      "gradient 0 (layer 0, 18446744073709551615 elements): no memory holds that many elements of "
      "4 bytes");
}
TEST_CASE_TEMPLATE_APPLY(refusals, reprise_test::Backends);

TEST_CASE_TEMPLATE_DEFINE("a finite step is folded in, one that is not is counted", B, folding) {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  constexpr double huge = std::numeric_limits<double>::max();
  B backend;
  const reprise::StatisticsLayout layout{2};
  auto moments = backend.make_buffer(layout.size());
  auto statistics = backend.make_buffer(layout.size());
  update_average(backend, 0.5, {4, 8}, moments, statistics);
  update_average(backend, 1.0, {nan, 1}, moments, statistics);
  update_average(backend, 1.0, {1, infinity}, moments, statistics);
  update_average(backend, 2.0, {1, huge}, moments, statistics);  // the scaled sum is not finite
  update_average(backend, 1.0, {4, 0}, moments, statistics);
  CHECK(on_host(backend, moments, 4) == std::vector<double>{6, 4, 2, 3});
  CHECK(on_host(backend, statistics, 4) == std::vector<double>{3, 2, 2, 3});
}
TEST_CASE_TEMPLATE_APPLY(folding, reprise_test::Backends);

TEST_CASE_TEMPLATE_DEFINE("a fold that reads the loss scale has the bits of one that is given it",
                          B, deferred_folding) {
  REPRISE_SEEDED(random);
  std::lognormal_distribution<double> sums_of_squares(0, 5);
  std::lognormal_distribution<float> loss_scales(7, 5);
  constexpr std::size_t layers = 70;
  const std::size_t size = reprise::StatisticsLayout{layers}.size();
  B backend;
  vector_for<B, float> loss_scale(1, 1.0F);
  backend.check(DeviceLossScale{loss_scale.data()});
  auto sums = backend.make_buffer(layers);
  auto known = backend.make_buffer(size);
  auto known_statistics = backend.make_buffer(size);
  auto read = backend.make_buffer(size);
  auto read_statistics = backend.make_buffer(size);
  for (int step = 0; step < 30; ++step) {
    std::vector<double> values(layers);
    for (double& value : values) value = sums_of_squares(random);
    reprise_test::Machine<B>::wait();
    loss_scale[0] = loss_scales(random);
    const std::uint64_t micro_batches = 1 + random() % 100;
    const reprise::GradientScale scale{.loss_scale = loss_scale[0], .micro_batches = micro_batches};
    const DeviceLossScale deferred{loss_scale.data(), micro_batches};
    backend.copy_from_host(values, sums);
    backend.update_average(reprise::SmoothingArchetype{}, scale.squared_norm_factor(), sums, known,
                           known_statistics);
    backend.update_average(reprise::SmoothingArchetype{}, deferred, sums, read, read_statistics);
    REQUIRE(bits(on_host(backend, read, size)) == bits(on_host(backend, known, size)));
    REQUIRE(bits(on_host(backend, read_statistics, size)) ==
            bits(on_host(backend, known_statistics, size)));
  }
  CHECK(on_host(backend, read, size)[layers] == 30);
}
TEST_CASE_TEMPLATE_APPLY(deferred_folding, reprise_test::Backends);

TEST_CASE_TEMPLATE_DEFINE(
    "a step with a loss scale that none has is counted, with layers or without", B,
    scale_of_no_step) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  B backend;
  vector_for<B, float> loss_scale(1);
  for (const std::size_t layers : {std::size_t{0}, std::size_t{2}}) {
    const std::size_t size = reprise::StatisticsLayout{layers}.size();
    auto sums = backend.make_buffer(layers);
    auto moments = backend.make_buffer(size);
    auto statistics = backend.make_buffer(size);
    std::vector<double> expected(size);
    for (const float bad : {0.0F, -1.0F, infinity, -infinity, nan, 1e-40F}) {
      reprise_test::Machine<B>::wait();
      loss_scale[0] = bad;
      backend.update_average(reprise::SmoothingArchetype{}, DeviceLossScale{loss_scale.data()},
                             sums, moments, statistics);
      expected[layers + 1] += 1;
      CAPTURE(bad);
      CHECK(on_host(backend, moments, size) == expected);
      CHECK(on_host(backend, statistics, size) == expected);
    }
  }
}
TEST_CASE_TEMPLATE_APPLY(scale_of_no_step, reprise_test::Backends);

TEST_CASE_TEMPLATE_DEFINE("a loss scale that cannot be read is refused", B, scale_refusals) {
  const B backend;
  const vector_for<B, float> loss_scale(1, 1.0F);
  CHECK_NOTHROW(backend.check(DeviceLossScale{loss_scale.data()}));
  CHECK_THROWS_AS(backend.check(DeviceLossScale{}), reprise::InvalidArgument);
  CHECK_THROWS_AS(backend.check(DeviceLossScale{loss_scale.data(), 0}), reprise::InvalidArgument);
}
TEST_CASE_TEMPLATE_APPLY(scale_refusals, reprise_test::Backends);

TEST_CASE_TEMPLATE_DEFINE("what is published reaches the host with the declared delay", B,
                          publishing) {
  B backend;
  auto buffer = backend.make_buffer(2);
  auto readback = backend.make_readback(2);
  CHECK(backend.latest(readback).empty());
  for (std::size_t i = 0; i < 5; ++i) {
    const std::vector<double> values{static_cast<double>(i), 7};
    backend.copy_from_host(values, buffer);
    backend.publish(buffer, readback);
    const auto latest = backend.latest(readback);
    if (i < B::readback_delay) {
      CHECK(latest.empty());
    } else {
      REQUIRE(latest.size() == 2);
      CHECK(latest[0] == static_cast<double>(i - B::readback_delay));
      CHECK(latest[1] == 7);
    }
  }
}
TEST_CASE_TEMPLATE_APPLY(publishing, reprise_test::Backends);
