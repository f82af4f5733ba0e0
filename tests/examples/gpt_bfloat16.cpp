// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// The GPT with tensors of 16 bits and weights of 32: how an element rounds, what stays a float, and
// that training keeps its bits under every policy, as it does in floats. On the CPU, and on a GPU
// that is played.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/philox.hpp>
#include <reprise/core/units.hpp>
#include <reprise/eviction/dtr.hpp>
#include <reprise/planner/any_planner.hpp>
#include <reprise/planner/balanced.hpp>
#include <reprise/planner/online.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/program/cost/flops.hpp>
#include <reprise/program/lowering.hpp>
#include <reprise/program/profile.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/adam_w.hpp"
#include "engine/bfloat16.hpp"
#include "engine/in_bfloat16.hpp"
#include "engine/model.hpp"
#include "engine/reference_loop.hpp"
#include "engine/threads.hpp"
#include "policy.hpp"
#include "support/gpt_training.hpp"
#include "support/played_gpu.hpp"
#include "support/program_run.hpp"
#include "support/seed.hpp"

namespace {

using gpt::Bfloat16;
using Cpu = gpt::InBfloat16<gpt::Cpu>;
using PlayedGpu = gpt::InBfloat16<reprise_test::PlayedGpu>;
using reprise_test::GptTrace;
using reprise_test::SmallGpt;

Bfloat16 of_bits(std::uint32_t pattern) {
  Bfloat16 number;
  number.bits = static_cast<std::uint16_t>(pattern);
  return number;
}

// The nearest number with 8 bits of significand, ties to even, by the arithmetic of doubles.
float nearest(float value) {
  constexpr double largest = 0x1.FEp127;
  constexpr int smallest_exponent = -126;
  if (!std::isfinite(value) || value == 0) return value;
  const double unit = std::ldexp(1.0, std::max(std::ilogb(value), smallest_exponent) - 7);
  const double rounded = std::nearbyint(static_cast<double>(value) / unit) * unit;
  if (std::abs(rounded) > largest) {
    return std::copysign(std::numeric_limits<float>::infinity(), value);
  }
  return static_cast<float>(rounded);
}

void check_rounds(float value) {
  CAPTURE(value);
  Bfloat16 number;
  number = value;
  REQUIRE(static_cast<float>(number) == nearest(value));
  REQUIRE(std::signbit(static_cast<float>(number)) == std::signbit(value));
}

}  // namespace

TEST_CASE("each of the 65536 patterns reads as its number, and comes back when it is assigned") {
  for (std::uint32_t pattern = 0; pattern < 0x10000U; ++pattern) {
    const float value = of_bits(pattern);
    const std::uint32_t exponent = pattern >> 7U & 0xFFU;
    const std::uint32_t fraction = pattern & 0x7FU;
    CAPTURE(pattern);
    REQUIRE(std::signbit(value) == (pattern >> 15U == 1));
    const Bfloat16 back = value;
    if (exponent == 0xFF && fraction != 0) {
      REQUIRE(std::isnan(value));
      REQUIRE(std::isnan(static_cast<float>(back)));
      continue;
    }
    const double expected = exponent == 0xFF ? std::numeric_limits<double>::infinity()
                            : exponent == 0
                                ? std::ldexp(fraction, -133)
                                : std::ldexp(128 + fraction, static_cast<int>(exponent) - 134);
    REQUIRE(std::abs(static_cast<double>(value)) == expected);
    REQUIRE(back.bits == pattern);
  }
}

TEST_CASE("a float becomes the nearest element, ties to even") {
  for (std::uint32_t pattern = 0; pattern < 0x7F80U; ++pattern) {
    const std::uint32_t half_way = pattern << 16U | 0x8000U;  // up to the largest, then to infinity
    for (const std::uint32_t bits : {half_way - 1, half_way, half_way + 1}) {
      check_rounds(std::bit_cast<float>(bits));
      check_rounds(-std::bit_cast<float>(bits));
    }
  }
  REPRISE_SEEDED(random);
  for (int i = 0; i < 200'000; ++i) {
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(random()));
    if (!std::isnan(value)) check_rounds(value);
  }
  constexpr float infinity = std::numeric_limits<float>::infinity();
  CHECK(Bfloat16(infinity) == infinity);
  CHECK(Bfloat16(std::numeric_limits<float>::max()) == infinity);
  // Also one whose payload is in the lower half only, where the upper half is an infinity's.
  for (const std::uint32_t bits : {0x7FC00000U, 0x7F800001U, 0xFFFFFFFFU}) {
    CHECK(std::isnan(static_cast<float>(Bfloat16(std::bit_cast<float>(bits)))));
  }
}

TEST_CASE("an element computes as a float does, and rounds when it is stored") {
  Bfloat16 number = 1.0F;
  const float third = number / 3.0F;
  CHECK(third == 1.0F / 3.0F);
  number += 0x1p-9F;
  CHECK(number == 1.0F);
  number += 0x1.8p-8F;
  CHECK(number == 1.0F + 0x1p-7F);
  number *= third;
  CHECK(number == nearest((1.0F + 0x1p-7F) * third));
}

namespace {

template <class T>
std::vector<T> random_numbers(std::size_t size, std::uint64_t stream) {
  const reprise::Philox random(5, stream);
  std::vector<T> numbers(size);
  for (std::size_t i = 0; i < size; ++i) numbers[i] = 2 * random.uniform(i) - 1;
  return numbers;
}

struct Sides {
  std::size_t m, n, k;
};

// One product by its definition, in doubles.
template <class T, class Result>
double element_of(const gpt::MatrixProduct& p, gpt::MatrixView<const T> a,
                  gpt::MatrixView<const T> b, const Result& before, std::size_t row,
                  std::size_t column) {
  double sum = 0;
  for (std::size_t i = 0; i < p.k; ++i) {
    const auto left = p.transpose_a ? a.at(i, row) : a.at(row, i);
    const auto right = p.transpose_b ? b.at(column, i) : b.at(i, column);
    sum += static_cast<double>(static_cast<float>(*left.data)) *
           static_cast<double>(static_cast<float>(*right.data));
  }
  const double start = p.beta == 0 ? 0 : static_cast<double>(static_cast<float>(before));
  return static_cast<double>(p.alpha) * sum + static_cast<double>(p.beta) * start;
}

// Of 16-bit factors; everything around the result must stay.
template <class Device, class Result>
void check_product(Sides sides, bool transpose_a, bool transpose_b, float beta, double tolerance) {
  const gpt::MatrixProduct p{transpose_a, transpose_b, sides.m, sides.n, sides.k, 0.5F, beta};
  const std::size_t extra = 3;  // columns that are no part of the matrices
  const std::size_t a_stride = (transpose_a ? p.m : p.k) + extra;
  const std::size_t b_stride = (transpose_b ? p.k : p.n) + extra;
  const std::size_t c_stride = p.n + extra;
  const auto a = random_numbers<Bfloat16>((transpose_a ? p.k : p.m) * a_stride, 0);
  const auto b = random_numbers<Bfloat16>((transpose_b ? p.n : p.k) * b_stride, 1);
  const auto before = random_numbers<Result>(p.m * c_stride, 2);
  auto c = before;
  const gpt::MatrixView<const Bfloat16> left{a.data(), a_stride};
  const gpt::MatrixView<const Bfloat16> right{b.data(), b_stride};
  Device{}.multiply(p, left, right, gpt::MatrixView<Result>{c.data(), c_stride});
  for (std::size_t i = 0; i < c.size(); ++i) {
    const std::size_t row = i / c_stride;
    const std::size_t column = i % c_stride;
    const double expected = column < p.n ? element_of(p, left, right, before[i], row, column)
                                         : static_cast<double>(static_cast<float>(before[i]));
    CAPTURE(i);
    REQUIRE(std::abs(static_cast<double>(static_cast<float>(c[i])) - expected) <=
            tolerance * (1 + std::abs(expected)));
  }
}

}  // namespace

TYPE_TO_STRING(Cpu);
TYPE_TO_STRING(PlayedGpu);

TEST_CASE_TEMPLATE("products of elements sum in float, and round once if at all", Device, Cpu,
                   PlayedGpu) {
  for (const int threads : {1, 3}) {
    gpt::set_threads(threads);
    for (const Sides sides : {Sides{1, 1, 1}, Sides{70, 9, 33}, Sides{9, 70, 130}}) {
      for (int bits = 0; bits < 8; ++bits) {
        CAPTURE(threads);
        CAPTURE(bits);
        const float beta = (bits & 4) != 0 ? 0.75F : 0.0F;
        check_product<Device, float>(sides, (bits & 1) != 0, (bits & 2) != 0, beta, 1e-5);
        // Half the distance of two elements, and a little for sums of floats.
        check_product<Device, Bfloat16>(sides, (bits & 1) != 0, (bits & 2) != 0, beta,
                                        0x1p-8 + 1e-5);
      }
    }
  }
  gpt::set_threads(1);
}

TEST_CASE_TEMPLATE("the optimiser moves floats, and layers read them rounded", Device, Cpu,
                   PlayedGpu) {
  gpt::set_threads(1);
  gpt::Model<Device> model(SmallGpt::shape(0), SmallGpt::seed);
  SmallGpt::fill_batches(model);
  const gpt::Model<gpt::Cpu> in_floats(SmallGpt::shape(0), SmallGpt::seed);
  gpt::AdamW<Device> optimiser(model.parameters(), {});
  gpt::ReferenceLoop loop(model.graph());
  const auto check_rounded = [&] {
    for (const auto& entry : model.parameters().entries()) {
      REQUIRE(entry.rounded->size() == entry.values.size());
      for (std::size_t i = 0; i < entry.values.size(); ++i) {
        REQUIRE((*entry.rounded)[i] == nearest(entry.values[i]));
      }
    }
  };
  const auto share_rounded = [](const std::vector<float>& numbers) {
    const auto rounded = std::ranges::count_if(numbers, [](float x) { return x == nearest(x); });
    return static_cast<double>(rounded) / static_cast<double>(numbers.size());
  };
  check_rounded();
  for (std::size_t i = 0; i < model.parameters().entries().size(); ++i) {
    CHECK(model.parameters().entries()[i].values == in_floats.parameters().entries()[i].values);
  }
  model.parameters().zero_gradients();
  static_cast<void>(loop.forward({.seed = 1}));
  loop.backward(model.scalar(1));
  const auto before = model.parameters().entries();
  optimiser.step();
  check_rounded();
  for (std::size_t i = 0; i < before.size(); ++i) {
    const auto& entry = model.parameters().entries()[i];
    CAPTURE(i);
    CHECK(entry.values != before[i].values);
    CHECK(share_rounded(entry.values) < 0.5);
    CHECK(share_rounded(entry.gradients) < 0.5);
  }
}

TEST_CASE_TEMPLATE("what must not be rounded is a float: the loss, its gradient, what is saved",
                   Device, Cpu, PlayedGpu) {
  gpt::Model<Device> model(SmallGpt::shape(0), SmallGpt::seed);
  SmallGpt::fill_batches(model);
  gpt::ReferenceLoop loop(model.graph());
  const float loss = *loop.forward({.seed = 1}).floats();
  loop.clear();
  CHECK(loss != nearest(loss));
  CHECK(*model.scalar(1.0F / 3.0F).floats() == 1.0F / 3.0F);
  CHECK(model.scalar(1).bytes() == sizeof(float));

  gpt::Memory<Device> memory;
  gpt::Parameters<Device> parameters(memory.device(), 1);
  gpt::LayerNorm<Device> norm(parameters.add_constant(48, 1), parameters.add_constant(48, 0));
  gpt::Tensor<Device> x(memory, 2, 48);
  for (std::size_t i = 0; i < x.size(); ++i) x.data()[i] = 100 + static_cast<float>(i % 7);
  typename gpt::LayerNorm<Device>::saved_type saved;
  reprise::PassContext pass;
  const auto y = norm.forward(x, saved, pass);
  double sum = 0;
  for (std::size_t i = 0; i < 48; ++i) sum += static_cast<double>(static_cast<float>(x.data()[i]));
  CHECK(saved.moments.bytes() == 4 * sizeof(float));
  CHECK(static_cast<double>(saved.moments.floats()[0]) == doctest::Approx(sum / 48).epsilon(1e-6));
}

namespace {

template <class Device>
reprise::Program program_of(gpt::Model<Device>& model) {
  return reprise::lower(model.graph(), reprise::make_profile(model.graph(), {}, {}), true,
                        reprise::Flops{})
      .program;
}

template <class Device>
reprise::Program program_with(const gpt::ModelShape& shape, std::size_t sequences) {
  gpt::Model<Device> model(shape, SmallGpt::seed);
  const std::vector<std::uint8_t> tokens(sequences * shape.context, 1);
  model.batches().training.push_back(model.upload({tokens, tokens}));
  return program_of(model);
}

}  // namespace

TEST_CASE("tensors take half of the bytes, under each policy and for each budget") {
  const gpt::ModelShape shape{
      .vocabulary = 64, .layers = 4, .channels = 64, .heads = 2, .context = 32, .dropout = 0.1F};
  const reprise::Program floats = program_with<gpt::Cpu>(shape, 2);
  const reprise::Program halves = program_with<Cpu>(shape, 2);
  const auto share = [](reprise::byte_count part, reprise::byte_count whole) {
    return static_cast<double>(part) / static_cast<double>(whole);
  };
  for (const std::string_view policy : gpt::policy_names) {
    CAPTURE(policy);
    reprise::AnyPlanner planner = gpt::planner_of(policy, {.tries = 200});
    const auto peak = planner(reprise::PlanRequest{.program = floats}).peak_bytes;
    const auto halved = planner(reprise::PlanRequest{.program = halves}).peak_bytes;
    // Moments and sums of rows are floats.
    CHECK(share(halved, peak) > 0.5);
    CHECK(share(halved, peak) < 0.52);
    if (!gpt::adapts_to_budget(policy)) continue;
    const auto budget = [&](double part) {
      return static_cast<reprise::byte_count>(part * static_cast<double>(peak));
    };
    const auto keeps = [&](const reprise::Program& program, reprise::byte_count bytes) {
      return planner(reprise::PlanRequest{.program = program, .budget = bytes}).peak_bytes <= bytes;
    };
    CHECK(keeps(floats, budget(0.95)));
    CHECK(keeps(halves, budget(0.52 * 0.95)));
  }
}

namespace {

// Without a budget, and within three quarters and half of what store-all needs.
template <class Device>
void check_trains(const reprise::AnyPlanner& planner, bool adapts_to_budget) {
  using reprise_test::train_under;
  constexpr float dropout = 0.2F;
  const GptTrace expected = reprise_test::train_by_hand<Device>(dropout);
  CHECK(train_under<Device>(planner, dropout, reprise::unlimited_bytes) == expected);
  if (!adapts_to_budget) return;
  gpt::Model<Device> model(SmallGpt::shape(dropout), SmallGpt::seed);
  SmallGpt::fill_batches(model);
  const reprise::byte_count all = reprise::StoreAll{}({.program = program_of(model)}).peak_bytes;
  for (const reprise::byte_count budget : {all / 4 * 3, all / 2}) {
    CAPTURE(budget);
    CHECK(train_under<Device>(planner, dropout, budget) == expected);
  }
}

}  // namespace

TEST_CASE("every policy trains with the bits of the hand-written loop, ledger = allocator") {
  gpt::set_threads(1);
  for (const std::string_view policy : gpt::policy_names) {
    CAPTURE(policy);
    check_trains<Cpu>(gpt::planner_of(policy, {.tries = 200}), gpt::adapts_to_budget(policy));
  }
}

TEST_CASE("a GPU keeps its bits and its ledger, too") {
  check_trains<PlayedGpu>(reprise::AnyPlanner(reprise::RecomputeAll{}), false);
  check_trains<PlayedGpu>(reprise::AnyPlanner(reprise::Balanced{}), true);
  check_trains<PlayedGpu>(reprise::AnyPlanner(reprise::Online{reprise::Dtr{}, "dtr"}), true);
}

TEST_CASE_TEMPLATE("losses are near those of floats, and fall", Device, Cpu, PlayedGpu) {
  gpt::set_threads(1);
  for (const float dropout : {0.0F, 0.2F}) {
    const GptTrace trace = reprise_test::train_by_hand<Device>(dropout);
    const GptTrace in_floats = reprise_test::train_by_hand<gpt::Cpu>(dropout);
    REQUIRE(trace.losses.size() == in_floats.losses.size());
    CHECK(trace.losses != in_floats.losses);
    for (std::size_t i = 0; i < trace.losses.size(); ++i) {
      CAPTURE(i);
      CAPTURE(trace.losses[i]);
      CHECK(std::abs(trace.losses[i] - in_floats.losses[i]) < 2e-3F * in_floats.losses[i]);
      if (dropout > 0 || i < SmallGpt::micro_batches) continue;
      CHECK(trace.losses[i] < trace.losses[i - SmallGpt::micro_batches]);
    }
  }
}

TEST_CASE("a number of threads repeats its bits; with Eigen they are any number's") {
  const auto train = [](int threads) {
    gpt::set_threads(threads);
    return reprise_test::train_by_hand<Cpu>(0.2F);
  };
  const GptTrace expected = train(1);
  for (const int threads : {1, 2, 3, 5}) {
    const GptTrace trace = train(threads);
    CHECK(train(threads) == trace);
    if (!REPRISE_HAS_CBLAS) CHECK(trace == expected);
  }
  gpt::set_threads(1);
}

namespace {

using reprise_test::Folder;

nlohmann::json results_of(const Folder& folder, const std::string& arguments) {
  CAPTURE(arguments);
  const auto outcome = reprise_test::run_program(
      folder, GPT_PROGRAM, arguments + " --json " + folder.file("results.json"));
  CAPTURE(outcome.error);
  REQUIRE(outcome.status == 0);
  return nlohmann::json::parse(folder.read("results.json"));
}

std::string options_for(const Folder& folder) {
  std::string text;
  for (int i = 0; i < 400; ++i) text += "line " + std::to_string(i * i % 97) + " of a sample\n";
  return "--text " + folder.write("text", text) +
         " --layers 3 --channels 64 --heads 2 --context 16 --batch 2 --threads 1 --cadence 3";
}

}  // namespace

TEST_CASE("the program compares all policies in half of the bytes, and loses no bit") {
  const Folder folder;
  const std::string arguments = options_for(folder) +
                                " --compare --steps 4 --accumulate 3"
                                " --budget 50% --verify-replay --precision ";
  const auto in_floats = results_of(folder, arguments + "fp32");
  const auto results = results_of(folder, arguments + "bf16");
  REQUIRE(results.size() == gpt::policy_names.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    CAPTURE(results[i].dump());
    CHECK(results[i]["precision"] == "bf16");
    CHECK(in_floats[i]["precision"] == "fp32");
    CHECK(results[i]["exact"] == true);
    CHECK(results[i]["verified"] == true);
    CHECK(results[i]["peak_activation_bytes"] == results[i]["predicted_peak_bytes"]);
    CHECK(results[i]["peak_activation_bytes"].get<double>() <
          0.55 * in_floats[i]["peak_activation_bytes"].get<double>());
    CHECK(results[i]["train_loss"].get<double>() ==
          doctest::Approx(in_floats[i]["train_loss"].get<double>()).epsilon(2e-3));
    if (gpt::adapts_to_budget(gpt::policy_names.at(i))) {
      CHECK(results[i]["within_budget"] == true);
    }
  }
}

TEST_CASE("resumed training is training that never stopped; another precision's is refused") {
  const Folder folder;
  const std::string saved = folder.file("checkpoint");
  for (const std::string policy : {"gradient", "dtr-eq"}) {
    CAPTURE(policy);
    const std::string common =
        options_for(folder) + " --budget 60% --policy " + policy + " --precision ";
    const auto whole = results_of(folder, common + "bf16 --steps 7");
    static_cast<void>(results_of(folder, common + "bf16 --steps 4 --save " + saved));
    const auto rest = results_of(folder, common + "bf16 --steps 3 --resume " + saved);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(rest[0]["train_losses"][i] == whole[0]["train_losses"][4 + i]);
    }
    CHECK(rest[0]["val_loss"] == whole[0]["val_loss"]);
    reprise_test::check_refused(
        folder, GPT_PROGRAM, common + "fp32 --resume " + saved,
        "of another precision, its activations have 16 bits, this training's 32");
    static_cast<void>(results_of(folder, common + "fp32 --steps 1 --save " + saved));
    reprise_test::check_refused(
        folder, GPT_PROGRAM, common + "bf16 --resume " + saved,
        "of another precision, its activations have 32 bits, this training's 16");
  }
}
