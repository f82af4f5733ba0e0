// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <reprise/backend/device_loss_scale.hpp>
#include <reprise/core/error.hpp>
#include <reprise/stats/gradient_scale.hpp>
#include <string>

#include "support/seed.hpp"

namespace {

using reprise::DeviceLossScale;
using reprise::GradientScale;
using reprise::InvalidArgument;
using Floats = std::numeric_limits<float>;

constexpr std::uint64_t most_micro_batches = std::numeric_limits<std::uint64_t>::max();

// The factors of a loss scale that is read and of one that the host knows, which must be the same.
void check_same_bits(float loss_scale, std::uint64_t micro_batches) {
  const DeviceLossScale deferred{&loss_scale, micro_batches};
  const GradientScale known{.loss_scale = loss_scale, .micro_batches = micro_batches};
  CAPTURE(loss_scale);
  CAPTURE(micro_batches);
  const auto expected = std::bit_cast<std::uint64_t>(known.squared_norm_factor());
  REQUIRE(std::bit_cast<std::uint64_t>(deferred()) == expected);
  REQUIRE(std::bit_cast<std::uint64_t>(deferred.squared_norm_factor(loss_scale)) == expected);
}

std::string refusal(const DeviceLossScale& scale) {
  try {
    reprise::check_scale(scale);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a loss scale that is read gives the bits of one that the host knows") {
  REPRISE_SEEDED(random);
  for (int i = 0; i < 100'000; ++i) {
    const auto loss_scale = std::bit_cast<float>(static_cast<std::uint32_t>(random() >> 33U));
    if (!std::isnormal(loss_scale)) continue;
    const auto bits = static_cast<unsigned>(random() % 63);
    check_same_bits(loss_scale, 1 + (random() >> (1 + bits)));
  }
}

TEST_CASE("no square of a normal float and a number of micro-batches leaves a double's range") {
  for (const float loss_scale : {Floats::min(), 1.0F, Floats::max()}) {
    check_same_bits(loss_scale, 1);
    check_same_bits(loss_scale, most_micro_batches);
  }
}

TEST_CASE("a loss scale is read when it is asked for, not before") {
  float loss_scale = 0;
  const DeviceLossScale scale{&loss_scale, 2};
  loss_scale = 512;
  CHECK(scale() == 0x1p-20);
  loss_scale = 1024;
  CHECK(scale() == 0x1p-22);
}

TEST_CASE("a loss scale that no step has gives no finite factor") {
  const float subnormal = 1e-40F;
  for (const float loss_scale : {0.0F, -0.0F, -1.0F, -Floats::max(), Floats::infinity(),
                                 -Floats::infinity(), Floats::quiet_NaN(), Floats::denorm_min(),
                                 subnormal, std::nextafter(Floats::min(), 0.0F)}) {
    CAPTURE(loss_scale);
    CHECK(std::isnan(DeviceLossScale{&loss_scale}()));
  }
  const float one = 1;
  CHECK(std::isnan(DeviceLossScale{&one, 0}()));
}

TEST_CASE("the factor is known at compile time, so that devices can compute it") {
  static_assert(DeviceLossScale{}.squared_norm_factor(1024) == 0x1p-20);
  static_assert(DeviceLossScale{nullptr, 4}.squared_norm_factor(0.5F) == 0.25);
  static_assert(std::bit_cast<std::uint64_t>(DeviceLossScale{}.squared_norm_factor(0)) ==
                std::bit_cast<std::uint64_t>(std::numeric_limits<double>::quiet_NaN()));
}

TEST_CASE("a place that holds no loss scale is refused, by what is wrong with it") {
  const float loss_scales[2] = {1, 1};
  CHECK(refusal({loss_scales}).empty());
  CHECK(refusal({nullptr}) == "DeviceLossScale: the pointer to the loss scale is null");
  CHECK(refusal({loss_scales, 0}) == "DeviceLossScale: 0 micro-batches, at least 1 is due");
  const auto address = reinterpret_cast<std::uintptr_t>(loss_scales) + 2;
  CHECK(refusal({reinterpret_cast<const float*>(address)}) ==
        "DeviceLossScale: the address of the loss scale is not a multiple of a float's 4 bytes");
}
