// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// The kernels of the CUDA backend, played on the host: the same bodies, thread by thread from
// barrier to barrier, with the additions in the order in which a block makes them.

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <reprise/backend/backend.hpp>
#include <reprise/backend/block_reduction.hpp>
#include <reprise/backend/chunk_table.hpp>
#include <reprise/backend/device_loss_scale.hpp>
#include <reprise/backend/gradient_view.hpp>
#include <reprise/backend/squared_norm_factor.hpp>
#include <reprise/stats/ema.hpp>
#include <vector>

#include "support/played_block.hpp"
#include "support/random_tensors.hpp"
#include "support/seed.hpp"

namespace {

using reprise::DefaultReductionTuning;
using reprise::ElementType;
using reprise::gradient_view;
using reprise::GradientView;
using reprise::KnownFactor;
using reprise_test::PlayedBlock;

// Chunks of a few rows, so that all loops of a thread are taken.
using SmallTuning = reprise::ReductionTuning<2048, 32, 2, 1, 32>;

template <class Tuning>
std::vector<double> played_sums(const std::vector<GradientView>& views, std::size_t layers) {
  const auto table = reprise::make_chunk_table(views, layers, Tuning::chunk_bytes);
  std::vector<double> chunk_sums(table.chunks.size());
  for (std::size_t i = 0; i < chunk_sums.size(); ++i) {
    reprise::reduce_chunk<Tuning, reprise::HostAccess>(PlayedBlock<Tuning::chunk_threads>{},
                                                       table.chunks[i], chunk_sums[i]);
  }
  std::vector<double> sums(layers);
  for (std::size_t layer = 0; layer < layers; ++layer) {
    reprise::reduce_layer(PlayedBlock<Tuning::layer_threads>{}, chunk_sums.data(),
                          table.first_chunk[layer], table.first_chunk[layer + 1], sums[layer]);
  }
  return sums;
}

// A lane adds at most this many squares in float, each time with half an ulp of error.
template <class Tuning>
constexpr double relative_error = (2.0 * Tuning::chunk_bytes / (16.0 * Tuning::chunk_threads) + 2) *
                                  0x1p-24;

struct Statistics {
  std::vector<double> moments;
  std::vector<double> statistics;
};

template <class Block, reprise::NormFactor Factor>
void update_average(Block block, const Factor& factor, const std::vector<double>& sums,
                    Statistics& state) {
  reprise::update_step(block, reprise::Ema{.beta = 0.9}, factor,
                       reprise::StatisticsLayout{sums.size()}, sums.data(), state.moments.data(),
                       state.statistics.data());
}

std::vector<std::uint64_t> bits(const std::vector<double>& values) {
  std::vector<std::uint64_t> patterns;
  for (const double value : values) patterns.push_back(std::bit_cast<std::uint64_t>(value));
  return patterns;
}

}  // namespace

TEST_CASE_TEMPLATE("sums of squares are those of long double arithmetic, within float's rounding",
                   Tuning, SmallTuning, DefaultReductionTuning) {
  REPRISE_SEEDED(random);
  for (int round = 0; round < 30; ++round) {
    const auto tensors = reprise_test::random_tensors(random, Tuning::chunk_bytes / 4);
    const std::vector<double> sums = played_sums<Tuning>(tensors.views, tensors.sums.size());
    for (std::size_t layer = 0; layer < sums.size(); ++layer) {
      const double expected = tensors.sums[layer];
      CAPTURE(round);
      CAPTURE(layer);
      REQUIRE(std::fabs(sums[layer] - expected) <= relative_error<Tuning> * expected);
    }
  }
}

TEST_CASE_TEMPLATE("each element counts once, wherever the tensor starts and ends", T, float,
                   double, reprise::float16, reprise::bfloat16) {
  const auto number = [](float value) {
    if constexpr (sizeof(T) == 2) {
      return T::from_float(value);
    } else {
      return static_cast<T>(value);
    }
  };
  std::vector<T> memory(1200, number(0));
  for (std::size_t start = 0; start < 9; ++start) {
    for (const std::size_t size : {0U, 1U, 2U, 7U, 8U, 9U, 31U, 32U, 33U, 500U, 1100U}) {
      const std::vector<GradientView> views{gradient_view(memory.data() + start, size, 0)};
      const std::size_t stride = size < 50 ? 1 : 17;
      for (std::size_t at = 0; at < memory.size(); at += stride) {
        memory[at] = number(3);
        const bool is_inside = at >= start && at < start + size;
        const double sum = played_sums<SmallTuning>(views, 1)[0];
        memory[at] = number(0);
        if (sum != (is_inside ? 9 : 0)) FAIL("start ", start, " size ", size, " at ", at);
      }
    }
  }
}

TEST_CASE("a long tensor has the sum of its pieces") {
  constexpr std::size_t size = 3'000'001;
  const std::vector<float> ones(size, 1.0F);
  const std::vector<GradientView> views{gradient_view(ones.data() + 1, size - 1, 1)};
  CHECK(played_sums<DefaultReductionTuning>(views, 2) == std::vector<double>{0, size - 1});
}

TEST_CASE("doubles are added in double") {
  REPRISE_SEEDED(random);
  reprise_test::Tensors<> tensors(1);
  tensors.add(20'000, ElementType::float64, 0, 1, random);
  const double sum = played_sums<DefaultReductionTuning>(tensors.views, 1)[0];
  CHECK(sum == doctest::Approx(tensors.sums[0]).epsilon(1e-14));
}

TEST_CASE("only what is not finite itself makes a sum that is not") {
  const double max = std::numeric_limits<float>::max();
  std::vector<float> values(5000, 1.0F);
  const std::vector<GradientView> views{gradient_view(values, 0)};
  values[4321] = std::numeric_limits<float>::max();
  CHECK(played_sums<SmallTuning>(views, 1)[0] == doctest::Approx(max * max));
  values[4321] = -std::numeric_limits<float>::infinity();
  CHECK(std::isinf(played_sums<SmallTuning>(views, 1)[0]));
  values[17] = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(played_sums<SmallTuning>(views, 1)[0]));
}

TEST_CASE("a block of threads folds a step to the bits that one thread gives") {
  REPRISE_SEEDED(random);
  std::lognormal_distribution<double> lognormal(0, 5);
  for (const std::size_t layers : {0U, 1U, 63U, 64U, 65U, 1000U}) {
    const std::size_t size = reprise::StatisticsLayout{layers}.size();
    Statistics alone{std::vector<double>(size), std::vector<double>(size)};
    if (layers > 1) alone.moments[1] = std::numeric_limits<double>::quiet_NaN();
    Statistics together = alone;
    for (int step = 0; step < 20; ++step) {
      std::vector<double> sums(layers);
      for (double& sum : sums) sum = lognormal(random);
      if (layers != 0 && step % 5 == 3) {
        sums[random() % layers] = std::numeric_limits<double>::infinity();
      }
      update_average(reprise::OneThread{}, KnownFactor{0.25}, sums, alone);
      update_average(PlayedBlock<64>{}, KnownFactor{0.25}, sums, together);
      REQUIRE(bits(together.moments) == bits(alone.moments));
      REQUIRE(bits(together.statistics) == bits(alone.statistics));
    }
    CHECK(alone.moments[layers] == (layers == 0 ? 20 : 16));
    CHECK(alone.moments[layers + 1] == (layers == 0 ? 0 : 4));
  }
}

TEST_CASE(
    "a block of threads that reads the loss scale folds to the bits of a factor it is given") {
  REPRISE_SEEDED(random);
  std::lognormal_distribution<double> sums_of_squares(0, 5);
  std::lognormal_distribution<float> loss_scales(7, 5);
  for (const std::size_t layers : {0U, 1U, 63U, 64U, 65U, 1000U}) {
    const std::size_t size = reprise::StatisticsLayout{layers}.size();
    Statistics known{std::vector<double>(size), std::vector<double>(size)};
    Statistics read = known;
    float loss_scale = 1;
    for (int step = 0; step < 20; ++step) {
      std::vector<double> sums(layers);
      for (double& sum : sums) sum = sums_of_squares(random);
      loss_scale = step % 5 == 3 ? -loss_scale : loss_scales(random);
      const reprise::DeviceLossScale scale{&loss_scale, 1 + random() % 100};
      const double factor = reprise::squared_norm_factor(loss_scale, scale.micro_batches);
      update_average(PlayedBlock<64>{}, KnownFactor{factor}, sums, known);
      update_average(PlayedBlock<64>{}, scale, sums, read);
      REQUIRE(bits(read.moments) == bits(known.moments));
      REQUIRE(bits(read.statistics) == bits(known.statistics));
    }
    CHECK(read.moments[layers] == 16);
    CHECK(read.moments[layers + 1] == 4);
  }
}
