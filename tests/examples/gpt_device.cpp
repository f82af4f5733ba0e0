// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// backends: all
// The GPT's engine on a GPU, beside the CPU: within rounding, and its own bits again under every
// policy. On a host the GPU is played; on a device this is not yet run.

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <reprise/core/arguments.hpp>
#include <reprise/core/node.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/philox.hpp>
#include <reprise/core/units.hpp>
#include <reprise/planner/any_planner.hpp>
#include <reprise/planner/balanced.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <span>
#include <string>
#include <vector>

#include "engine/in_bfloat16.hpp"
#include "engine/model.hpp"
#include "engine/threads.hpp"
#include "policy.hpp"
#include "support/gpt_training.hpp"
#ifdef __CUDACC__
#include "engine/cuda.cuh"
#else
#include "support/played_gpu.hpp"
#endif

namespace {

#ifdef __CUDACC__
using Gpu = gpt::Cuda;
#else
using Gpu = reprise_test::PlayedGpu;
#endif

using Numbers = std::vector<float>;
using reprise_test::on_host;

// Sums of some hundred numbers of about 1, times what normalises a row of equal ones.
constexpr float rounding = 1e-4F;

void check_close(const Numbers& numbers, const Numbers& expected, float tolerance = rounding) {
  REQUIRE(numbers.size() == expected.size());
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    CAPTURE(i);
    CAPTURE(numbers[i]);
    CAPTURE(expected[i]);
    if (numbers[i] == expected[i]) continue;  // infinities, too
    REQUIRE(std::abs(numbers[i] - expected[i]) <= tolerance * (1 + std::abs(expected[i])));
  }
}

struct Shape {
  std::size_t rows;
  std::size_t columns;
};

// One node on one device: what forward and backward make of random numbers.
template <class Device>
class NodeRun {
 public:
  using Tensor = gpt::Tensor<Device>;

  explicit NodeRun(std::size_t tokens) {
    gpt::TokenBatch<> batch;
    for (std::size_t i = 0; i < tokens; ++i) {
      batch.tokens.push_back(static_cast<std::uint8_t>(i * i % 7));
      batch.targets.push_back(static_cast<std::uint8_t>(i * i % 5));
    }
    batches_.training.push_back({memory_.device().upload(batch.tokens),  //
                                 memory_.device().upload(batch.targets)});
  }

  // Of `make(memory, batches, parameters)`'s node, which has so many inputs.
  template <std::size_t arity, class Make>
  Numbers operator()(Make make, const std::array<Shape, arity>& shapes) {
    auto node = make(memory_, batches_, parameters_);
    using Node = decltype(node);
    std::vector<Tensor> inputs;
    for (const Shape& shape : shapes) inputs.push_back(random(shape));
    std::vector<Tensor> outputs(reprise::node::output_count<Node, arity>);
    std::vector<Tensor> gradients(arity);
    reprise::saved_type_of<Node> saved{};
    reprise::PassContext pass;
    reprise::call_forward<arity>(node, arguments(inputs), std::span<Tensor>(outputs), saved, pass);
    note(outputs);
    std::vector<Tensor> output_gradients;
    for (const Tensor& output : outputs) {
      output_gradients.push_back(random({output.rows(), output.columns()}));
    }
    const std::vector<Tensor*> places = pointers(gradients);
    reprise::call_backward<arity>(node, arguments(inputs), arguments(outputs), saved,
                                  arguments(output_gradients), pass,
                                  std::span<Tensor* const>(places));
    note(gradients);
    for (const auto& entry : parameters_.entries()) {
      note({entry.gradients.data(), entry.gradients.size()});
    }
    return numbers_;
  }

 private:
  static std::vector<Tensor*> pointers(std::vector<Tensor>& tensors) {
    std::vector<Tensor*> list;
    for (Tensor& tensor : tensors) list.push_back(&tensor);
    return list;
  }
  // Arguments only looks at a list.
  reprise::Arguments<Tensor> arguments(std::vector<Tensor>& tensors) {
    return reprise::Arguments<Tensor>(lists_.emplace_back(pointers(tensors)));
  }

  Tensor random(Shape shape) {
    const reprise::Philox philox(7, tensors_++);
    Numbers host(shape.rows * shape.columns);
    for (std::size_t i = 0; i < host.size(); ++i) host[i] = 2 * philox.uniform(i) - 1;
    Tensor tensor(memory_, shape.rows, shape.columns);
    memory_.device().write(std::span<const float>(host), tensor.elements());
    return tensor;
  }

  void note(const std::vector<Tensor>& tensors) {
    for (const Tensor& tensor : tensors) note(tensor.elements());
  }
  void note(std::span<const float> elements) {
    const Numbers host = on_host(memory_.device(), elements);
    numbers_.insert(numbers_.end(), host.begin(), host.end());
  }

  gpt::Memory<Device> memory_;
  gpt::Batches<Device> batches_;
  gpt::Parameters<Device> parameters_{memory_.device(), 1};
  std::deque<std::vector<Tensor*>> lists_;
  std::uint64_t tensors_ = 0;
  Numbers numbers_;
};

template <std::size_t arity, class Make>
void check_node(Make make, const std::array<Shape, arity>& shapes, std::size_t tokens = 0) {
  const Numbers expected = NodeRun<gpt::Cpu>(tokens).template operator()<arity>(make, shapes);
  const Numbers numbers = NodeRun<Gpu>(tokens).template operator()<arity>(make, shapes);
  check_close(numbers, expected);
  CHECK(numbers == NodeRun<Gpu>(tokens).template operator()<arity>(make, shapes));
}

// Fewer and more than a team has threads, and than a chunk has columns.
constexpr std::array<Shape, 6> shapes_of_rows{
    {{1, 1}, {3, 16}, {2, 127}, {200, 17}, {5, 300}, {140, 129}}};

}  // namespace

TEST_CASE("each node is the CPU's within rounding") {
  gpt::set_threads(1);
  for (const Shape shape : shapes_of_rows) {
    CAPTURE(shape.rows);
    CAPTURE(shape.columns);
    const std::size_t columns = shape.columns;
    check_node<1>(
        [columns]<class D>(gpt::Memory<D>&, gpt::Batches<D>&, gpt::Parameters<D>& parameters) {
          const auto scale = parameters.add_normal(1, columns, 1);
          return gpt::LayerNorm<D>(scale, parameters.add_normal(1, columns, 1));
        },
        {shape});
    check_node<1>(
        [columns]<class D>(gpt::Memory<D>&, gpt::Batches<D>&, gpt::Parameters<D>& parameters) {
          const auto weight = parameters.add_normal(columns, 21, 0.1F);
          return gpt::Linear<D>(weight, parameters.add_normal(1, 21, 1));
        },
        {shape});
    check_node<1>(
        [columns]<class D>(gpt::Memory<D>&, gpt::Batches<D>&, gpt::Parameters<D>& parameters) {
          const auto weight = parameters.add_normal(columns, 3 * columns, 0.1F);
          return gpt::AttentionProjection<D>(weight, parameters.add_normal(1, 3 * columns, 1));
        },
        {shape});
    check_node<1>([]<class D>(gpt::Memory<D>&, gpt::Batches<D>&,
                              gpt::Parameters<D>&) { return gpt::Softmax<D>{}; },
                  {shape});
    check_node<1>([]<class D>(gpt::Memory<D>&, gpt::Batches<D>&,
                              gpt::Parameters<D>&) { return gpt::Gelu<D>{}; },
                  {shape});
    check_node<1>([]<class D>(gpt::Memory<D>&, gpt::Batches<D>&,
                              gpt::Parameters<D>&) { return gpt::Dropout<D>(0.3F); },
                  {shape});
    check_node<2>([]<class D>(gpt::Memory<D>&, gpt::Batches<D>&,
                              gpt::Parameters<D>&) { return gpt::Residual<D>{}; },
                  {shape, shape});
    if (columns < 5) continue;  // as many tokens there are
    check_node<1>([]<class D>(gpt::Memory<D>&, gpt::Batches<D>& batches,
                              gpt::Parameters<D>&) { return gpt::CrossEntropy<D>(batches); },
                  {shape}, shape.rows);
    check_node<1>(
        [columns]<class D>(gpt::Memory<D>&, gpt::Batches<D>&, gpt::Parameters<D>& parameters) {
          return gpt::TiedHead<D>(parameters.add_normal(7, columns, 0.1F), 7);
        },
        {shape});
  }
}

TEST_CASE("embedding and attention are the CPU's within rounding") {
  gpt::set_threads(1);
  for (const std::size_t channels : {std::size_t{6}, std::size_t{150}}) {
    for (const std::size_t context : {std::size_t{1}, std::size_t{9}, std::size_t{140}}) {
      CAPTURE(channels);
      CAPTURE(context);
      check_node<0>(
          [&]<class D>(gpt::Memory<D>& memory, gpt::Batches<D>& batches,
                       gpt::Parameters<D>& parameters) {
            const auto tokens = parameters.add_normal(7, channels, 1);
            const auto positions = parameters.add_normal(context, channels, 1);
            return gpt::Embedding<D>(memory, batches, tokens, positions, channels);
          },
          {}, 2 * context);
      // More heads than sequences, and more sequences than heads.
      for (const std::size_t sequences : {std::size_t{2}, std::size_t{5}}) {
        const gpt::AttentionShape attention{.heads = 3, .context = context};
        const Shape by_token{sequences * context, channels};
        check_node<2>(
            [&]<class D>(gpt::Memory<D>&, gpt::Batches<D>&, gpt::Parameters<D>&) {
              return gpt::AttentionScores<D>(attention);
            },
            {by_token, by_token});
        check_node<2>(
            [&]<class D>(gpt::Memory<D>&, gpt::Batches<D>&, gpt::Parameters<D>&) {
              return gpt::AttentionOutput<D>(attention);
            },
            {Shape{3 * sequences * context, context}, by_token});
      }
    }
  }
}

TEST_CASE("training agrees with the CPU's within rounding") {
  gpt::set_threads(1);
  for (const float dropout : {0.0F, 0.2F}) {
    CAPTURE(dropout);
    const auto expected = reprise_test::train_by_hand<gpt::Cpu>(dropout);
    const auto trace = reprise_test::train_by_hand<Gpu>(dropout);
    check_close(trace.losses, expected.losses);
    CHECK(trace == reprise_test::train_by_hand<Gpu>(dropout));
  }
}

TEST_CASE("training with 16-bit tensors agrees with the CPU's, and keeps its own bits") {
  gpt::set_threads(1);
  using Bfloat16Gpu = gpt::InBfloat16<Gpu>;
  constexpr float dropout = 0.2F;
  const auto trace = reprise_test::train_by_hand<Bfloat16Gpu>(dropout);
  const auto on_cpu = reprise_test::train_by_hand<gpt::InBfloat16<gpt::Cpu>>(dropout);
  check_close(trace.losses, on_cpu.losses, 1e-3F);
  CHECK(trace == reprise_test::train_by_hand<Bfloat16Gpu>(dropout));
  const auto check = [&](const reprise::AnyPlanner& planner) {
    CHECK(reprise_test::train_under<Bfloat16Gpu>(planner, dropout, reprise::unlimited_bytes) ==
          trace);
  };
  check(reprise::AnyPlanner(reprise::RecomputeAll{}));
  check(reprise::AnyPlanner(reprise::Balanced{}));
}

TEST_CASE("every policy trains with the bits of keeping everything, ledger = allocator") {
  constexpr float dropout = 0.2F;
  const auto expected = reprise_test::train_by_hand<Gpu>(dropout);
  for (const std::string_view policy : gpt::policy_names) {
    CAPTURE(policy);
    CHECK(reprise_test::train_under<Gpu>(gpt::planner_of(policy, {.tries = 200}), dropout,
                                         reprise::unlimited_bytes) == expected);
  }
}

#ifdef __CUDACC__

TEST_CASE("the driver counts what the ledger counts, and what it rounds up") {
  gpt::Memory<Gpu> memory;
  memory.reset_peak();
  {
    const gpt::Tensor<Gpu> large(memory, 1000, 1001);
    const gpt::Tensor<Gpu> small(memory, 1, 1);
  }
  REQUIRE(memory.device().peak_bytes().has_value());
  CHECK(*memory.device().peak_bytes() >= memory.peak_bytes());
  CHECK(*memory.device().peak_bytes() <= memory.peak_bytes() + (std::uint64_t{4} << 20U));
}

TEST_CASE("products are fp32 unless a coarser precision is asked for") {
  const auto product_of = [](gpt::Precision precision) {
    constexpr std::size_t side = 256;
    const gpt::Cuda device(precision);
    const auto ones = device.make_buffer(side * side, 1.0F + 0x1p-20F);
    auto product = device.make_buffer(side * side, 0.0F);
    const gpt::ConstMatrix factor{ones.data(), side};
    device.multiply({.m = side, .n = side, .k = side}, factor, factor,
                    gpt::Matrix{product.data(), side});
    return on_host(device, {product.data(), product.size()}).front();
  };
  CHECK(product_of(gpt::Precision::fp32) > 256.0002F);  // rounded factors give 256
  CHECK(product_of(gpt::Precision::tf32) == doctest::Approx(256).epsilon(1e-3));
}

TEST_CASE("products of 16-bit elements sum in float, and round once if at all") {
  using gpt::Bfloat16;
  constexpr std::size_t side = 257;
  const gpt::InBfloat16<gpt::Cuda> device;
  const auto ones = device.make_buffer(side * side, Bfloat16(1));
  const auto more = device.make_buffer(side * side, Bfloat16(1 + 0x1p-7F));
  const auto product_as = [&]<class Result>(Result zero) {
    auto product = device.make_buffer(side * side, zero);
    device.multiply({.m = side, .n = side, .k = side},
                    gpt::MatrixView<const Bfloat16>{ones.data(), side},
                    gpt::MatrixView<const Bfloat16>{more.data(), side},
                    gpt::MatrixView<Result>{product.data(), side});
    return device.read(std::span<const Result>(product.data(), product.size()),
                       [](std::span<const Result> read) { return float{read.front()}; });
  };
  CHECK(product_as(0.0F) == 257 * (1 + 0x1p-7F));
  CHECK(product_as(Bfloat16(0)) == 260);
}

#endif
