// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// The GPT engine's gradients against finite differences, node by node and for the whole model; and
// that a node allocates what it returns, and no byte more. On the CPU, and on a GPU that is played.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <reprise/core/node.hpp>
#include <reprise/core/philox.hpp>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/model.hpp"
#include "engine/nodes/attention_output.hpp"
#include "engine/nodes/attention_projection.hpp"
#include "engine/nodes/attention_scores.hpp"
#include "engine/nodes/cross_entropy.hpp"
#include "engine/nodes/dropout.hpp"
#include "engine/nodes/embedding.hpp"
#include "engine/nodes/gelu.hpp"
#include "engine/nodes/layer_norm.hpp"
#include "engine/nodes/linear.hpp"
#include "engine/nodes/residual.hpp"
#include "engine/nodes/softmax.hpp"
#include "engine/nodes/tied_head.hpp"
#include "engine/parameters.hpp"
#include "engine/reference_loop.hpp"
#include "engine/tensor.hpp"
#include "support/played_gpu.hpp"

namespace {

struct Shape {
  std::size_t rows;
  std::size_t columns;
};

template <class Device>
gpt::Tensor<Device> random_tensor(gpt::Memory<Device>& memory, Shape shape, std::uint64_t stream) {
  gpt::Tensor<Device> tensor(memory, shape.rows, shape.columns);
  const reprise::Philox random(7, stream);
  for (std::size_t i = 0; i < tensor.size(); ++i) {
    tensor.data()[i] = 2 * random.uniform(i) - 1;
  }
  return tensor;
}

template <class Device>
gpt::Tensor<Device> copy_of(const gpt::Tensor<Device>& tensor) {
  gpt::Tensor<Device> copy = make_like(tensor);
  for (std::size_t i = 0; i < tensor.size(); ++i) copy.data()[i] = tensor.data()[i];
  return copy;
}

template <class Device>
double dot(const gpt::Tensor<Device>& a, const gpt::Tensor<Device>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    sum += static_cast<double>(a.data()[i]) * static_cast<double>(b.data()[i]);
  }
  return sum;
}

// Checks the gradients of sum(weights * outputs) by all inputs and parameters of a node.
template <std::size_t arity, class N>
class NodeCheck {
 public:
  using Tensor = typename N::tensor_type;
  using Parameter = gpt::Parameter<typename Tensor::device_type>;
  using Memory = std::remove_reference_t<decltype(std::declval<Tensor&>().memory())>;
  static constexpr std::size_t ports = reprise::node::output_count<N, arity>;

  NodeCheck(Memory& memory, N& node, std::array<Shape, arity> inputs)
      : memory_(memory), node_(node) {
    for (std::size_t i = 0; i < arity; ++i) inputs_.push_back(random_tensor(memory, inputs[i], i));
    Run run = forward();
    for (std::size_t port = 0; port < ports; ++port) {
      const Tensor& output = run.outputs[port];
      weights_.push_back(random_tensor(memory, {output.rows(), output.columns()}, 100 + port));
    }
  }

  void check(std::vector<Parameter> parameters = {}) {
    for (const Parameter& parameter : parameters) {
      for (float& gradient : parameter.gradients) gradient = 0.5F;  // backward adds
    }
    const std::vector<Tensor> gradients = backward();
    for (std::size_t i = 0; i < arity; ++i) {
      CAPTURE(i);
      REQUIRE(gradients[i].size() == inputs_[i].size());
      compare(inputs_[i].elements(), gradients[i].elements(), 0);
    }
    for (const Parameter& parameter : parameters) {
      compare(parameter.values, parameter.gradients, 0.5F);
    }
  }

 private:
  using Saved = reprise::saved_type_of<N>;

  struct Run {
    std::vector<Tensor> inputs;
    std::vector<Tensor> outputs;
    Saved saved{};
  };

  static std::vector<Tensor*> pointers(std::vector<Tensor>& tensors) {
    std::vector<Tensor*> list;
    for (Tensor& tensor : tensors) list.push_back(&tensor);
    return list;
  }
  static reprise::Arguments<Tensor> arguments(const std::vector<Tensor*>& list) {
    return reprise::Arguments<Tensor>(list);
  }

  Run forward() {
    Run run;
    for (const Tensor& input : inputs_) run.inputs.push_back(copy_of(input));
    run.outputs.resize(ports);
    const std::uint64_t consumed = consumed_input_bytes();
    const std::uint64_t before = memory_.live_bytes();
    memory_.reset_peak();
    reprise::call_forward<arity>(node_, arguments(pointers(run.inputs)),
                                 std::span<Tensor>(run.outputs), run.saved, pass_);
    std::uint64_t made = reprise::saved_bytes(run.saved);
    for (const Tensor& output : run.outputs) made += output.bytes();
    CHECK(memory_.live_bytes() == before - consumed + made);
    CHECK(memory_.peak_bytes() == std::max(before, before - consumed + made));
    return run;
  }

  std::vector<Tensor> backward() {
    Run run = forward();
    std::vector<Tensor> output_gradients;
    for (const Tensor& weight : weights_) output_gradients.push_back(copy_of(weight));
    std::vector<Tensor> gradients(arity);
    std::uint64_t consumed = 0;
    if (reprise::node::consumes<N>().of_gradient) {
      for (const Tensor& gradient : output_gradients) consumed += gradient.bytes();
    }
    const std::uint64_t before = memory_.live_bytes();
    memory_.reset_peak();
    std::vector<Tensor*> given = pointers(run.inputs);
    const std::vector<Tensor*> places = pointers(gradients);
    reprise::call_backward<arity>(node_, arguments(given), arguments(pointers(run.outputs)),
                                  run.saved, arguments(pointers(output_gradients)), pass_,
                                  std::span<Tensor* const>(places));
    std::uint64_t made = 0;
    for (const Tensor& gradient : gradients) made += gradient.bytes();
    CHECK(memory_.live_bytes() == before - consumed + made);
    CHECK(memory_.peak_bytes() == std::max(before, before - consumed + made));
    return gradients;
  }

  [[nodiscard]] std::uint64_t consumed_input_bytes() const {
    const int index = reprise::node::consumes<N>().input_index;
    return index < 0 ? 0 : inputs_[static_cast<std::size_t>(index)].bytes();
  }

  double objective() {
    const Run run = forward();
    double sum = 0;
    for (std::size_t port = 0; port < ports; ++port) sum += dot(run.outputs[port], weights_[port]);
    return sum;
  }

  void compare(std::span<float> values, std::span<const float> gradients, float start) {
    const std::size_t stride = values.size() / 40 + 1;
    for (std::size_t i = 0; i < values.size(); i += stride) {
      constexpr float step = 0.01F;
      const float value = values[i];
      values[i] = value + step;
      const double above = objective();
      values[i] = value - step;
      const double below = objective();
      values[i] = value;
      const double expected = (above - below) / (2 * static_cast<double>(step));
      CAPTURE(i);
      CHECK(std::abs(static_cast<double>(gradients[i] - start) - expected) <
            2e-3 * (1 + std::abs(expected)));
    }
  }

  Memory& memory_;
  N& node_;
  reprise::PassContext pass_{{.seed = 3, .step = 1, .micro_batch = 0}, reprise::PassMode::training};
  std::vector<Tensor> inputs_;
  std::vector<Tensor> weights_;
};

template <class Device>
gpt::Batches<Device> random_batches(std::size_t tokens, std::uint8_t vocabulary) {
  gpt::Batches<Device> batches;
  gpt::TokenBatch<Device> batch;
  const reprise::Philox random(11, 0);
  for (std::size_t i = 0; i < tokens; ++i) {
    batch.tokens.push_back(static_cast<std::uint8_t>(random.bits(2 * i) % vocabulary));
    batch.targets.push_back(static_cast<std::uint8_t>(random.bits(2 * i + 1) % vocabulary));
  }
  batches.training.push_back(batch);
  batches.evaluation = batch;
  return batches;
}

constexpr std::size_t channels = 24;
constexpr std::size_t context = 5;
constexpr std::size_t rows = 2 * context;

}  // namespace

TYPE_TO_STRING(gpt::Cpu);
TYPE_TO_STRING(reprise_test::PlayedGpu);

TEST_CASE_TEMPLATE("layer norm has the gradients of finite differences", Device, gpt::Cpu,
                   reprise_test::PlayedGpu) {
  gpt::Memory<Device> memory;
  gpt::Parameters<Device> parameters(memory.device(), 1);
  const auto scale = parameters.add_normal(1, channels, 1);
  const auto shift = parameters.add_normal(1, channels, 1);
  gpt::LayerNorm<Device> node(scale, shift);
  NodeCheck<1, gpt::LayerNorm<Device>>(memory, node, {{{rows, channels}}}).check({scale, shift});
}

TEST_CASE_TEMPLATE("a linear node has the gradients of finite differences", Device, gpt::Cpu,
                   reprise_test::PlayedGpu) {
  gpt::Memory<Device> memory;
  gpt::Parameters<Device> parameters(memory.device(), 1);
  const auto weight = parameters.add_normal(channels, 17, 1);
  const auto bias = parameters.add_normal(1, 17, 1);
  gpt::Linear<Device> node(weight, bias);
  NodeCheck<1, gpt::Linear<Device>>(memory, node, {{{rows, channels}}}).check({weight, bias});
}

TEST_CASE_TEMPLATE(
    "the projection to queries, keys and values has the gradients of finite differences", Device,
    gpt::Cpu, reprise_test::PlayedGpu) {
  gpt::Memory<Device> memory;
  gpt::Parameters<Device> parameters(memory.device(), 1);
  const auto weight = parameters.add_normal(channels, 3 * channels, 1);
  const auto bias = parameters.add_normal(1, 3 * channels, 1);
  gpt::AttentionProjection<Device> node(weight, bias);
  NodeCheck<1, gpt::AttentionProjection<Device>>(memory, node, {{{rows, channels}}})
      .check({weight, bias});
}

TEST_CASE_TEMPLATE("attention has the gradients of finite differences", Device, gpt::Cpu,
                   reprise_test::PlayedGpu) {
  gpt::Memory<Device> memory;
  const gpt::AttentionShape shape{.heads = 3, .context = context};
  // The mask's infinities leave no finite differences of the scores themselves.
  struct MaskedScores {
    gpt::AttentionScores<Device> scores;

    gpt::Tensor<Device> forward(const gpt::Tensor<Device>& q, const gpt::Tensor<Device>& k,
                                reprise::PassContext& pass) {
      return gpt::Softmax<Device>{}.forward(scores.forward(q, k, pass), pass);
    }
    std::array<gpt::Tensor<Device>, 2> backward(const gpt::Tensor<Device>& q,
                                                const gpt::Tensor<Device>& k,
                                                const gpt::Tensor<Device>& dy,
                                                reprise::PassContext& pass) {
      gpt::Tensor<Device> y = forward(q, k, pass);
      gpt::Tensor<Device> gradient = gpt::Softmax<Device>{}.backward(y, copy_of(dy), pass);
      y = gpt::Tensor<Device>{};
      return scores.backward(q, k, gradient, pass);
    }
  };
  SUBCASE("output") {
    gpt::AttentionOutput<Device> node(shape);
    NodeCheck<2, gpt::AttentionOutput<Device>>(memory, node,
                                               {{{3 * rows, context}, {rows, channels}}})
        .check();
  }
  SUBCASE("scores allocate what they return") {
    gpt::AttentionScores<Device> node(shape);
    reprise::PassContext pass;
    const gpt::Tensor<Device> q = random_tensor(memory, {rows, channels}, 0);
    const gpt::Tensor<Device> k = random_tensor(memory, {rows, channels}, 1);
    memory.reset_peak();
    const std::uint64_t before = memory.live_bytes();
    const gpt::Tensor<Device> y = node.forward(q, k, pass);
    CHECK(memory.peak_bytes() == before + y.bytes());
    const auto gradients = node.backward(q, k, y, pass);
    CHECK(memory.peak_bytes() == before + y.bytes() + q.bytes() + k.bytes());
  }
  SUBCASE("scores under softmax") {
    MaskedScores node{gpt::AttentionScores<Device>(shape)};
    const gpt::Tensor<Device> q = random_tensor(memory, {rows, channels}, 0);
    const gpt::Tensor<Device> k = random_tensor(memory, {rows, channels}, 1);
    const gpt::Tensor<Device> weights = random_tensor(memory, {3 * rows, context}, 2);
    reprise::PassContext pass;
    const auto gradients = node.backward(q, k, weights, pass);
    for (std::size_t input = 0; input < 2; ++input) {
      for (std::size_t i = 0; i < q.size(); i += 7) {
        const auto objective = [&](float step) {
          gpt::Tensor<Device> moved_q = copy_of(q);
          gpt::Tensor<Device> moved_k = copy_of(k);
          (input == 0 ? moved_q : moved_k).data()[i] += step;
          return dot(node.forward(moved_q, moved_k, pass), weights);
        };
        const double expected = (objective(0.01F) - objective(-0.01F)) / 0.02;
        CAPTURE(input);
        CAPTURE(i);
        CHECK(std::abs(static_cast<double>(gradients[input].data()[i]) - expected) < 1e-3);
      }
    }
  }
}

TEST_CASE_TEMPLATE("softmax, GELU, dropout and the sum have the gradients of finite differences",
                   Device, gpt::Cpu, reprise_test::PlayedGpu) {
  gpt::Memory<Device> memory;
  gpt::Softmax<Device> softmax;
  NodeCheck<1, gpt::Softmax<Device>>(memory, softmax, {{{rows, 7}}}).check();
  gpt::Gelu<Device> gelu;
  NodeCheck<1, gpt::Gelu<Device>>(memory, gelu, {{{rows, channels}}}).check();
  gpt::Dropout<Device> dropout(0.3F);
  NodeCheck<1, gpt::Dropout<Device>>(memory, dropout, {{{3, 7}}}).check();
  gpt::Residual<Device> residual;
  NodeCheck<2, gpt::Residual<Device>>(memory, residual, {{{rows, channels}, {rows, channels}}})
      .check();
}

TEST_CASE_TEMPLATE("dropout drops its share in training and passes on in inference", Device,
                   gpt::Cpu, reprise_test::PlayedGpu) {
  gpt::Memory<Device> memory;
  gpt::Dropout<Device> dropout(0.25F);
  gpt::Tensor<Device> ones(memory, 100, 101);
  for (float& element : ones.elements()) element = 1;
  reprise::PassContext inference({}, reprise::PassMode::inference);
  ones = dropout.forward(std::move(ones), inference);
  for (const float element : ones.elements()) REQUIRE(element == 1);
  reprise::PassContext training;
  ones = dropout.forward(std::move(ones), training);
  std::size_t dropped = 0;
  for (const float element : ones.elements()) dropped += element == 0 ? 1 : 0;
  CHECK(dropped > 2300);
  CHECK(dropped < 2750);
}

TEST_CASE_TEMPLATE("embedding, head and loss have the gradients of finite differences", Device,
                   gpt::Cpu, reprise_test::PlayedGpu) {
  gpt::Memory<Device> memory;
  constexpr std::uint8_t vocabulary = 9;
  const gpt::Batches<Device> batches = random_batches<Device>(rows, vocabulary);
  gpt::Parameters<Device> parameters(memory.device(), 1);
  const auto tokens = parameters.add_normal(vocabulary, channels, 1);
  const auto positions = parameters.add_normal(context, channels, 1);
  gpt::Embedding<Device> embedding(memory, batches, tokens, positions, channels);
  NodeCheck<0, gpt::Embedding<Device>>(memory, embedding, {}).check({tokens, positions});
  gpt::TiedHead<Device> head(tokens, vocabulary);
  NodeCheck<1, gpt::TiedHead<Device>>(memory, head, {{{rows, channels}}}).check({tokens});
  gpt::CrossEntropy<Device> loss(batches);
  NodeCheck<1, gpt::CrossEntropy<Device>>(memory, loss, {{{rows, vocabulary}}}).check();
}

TEST_CASE_TEMPLATE("the whole model has the gradients of finite differences", Device, gpt::Cpu,
                   reprise_test::PlayedGpu) {
  gpt::Model<Device> model({.vocabulary = 13,
                            .layers = 2,
                            .channels = 16,
                            .heads = 2,
                            .context = context,
                            .dropout = 0.2F},
                           5);
  model.batches() = random_batches<Device>(rows, 13);
  // Larger than at the start of training, so that attention and GELU leave their linear range.
  for (auto& entry : model.parameters().entries()) {
    for (float& value : entry.values) value = entry.decays ? value * 10 : value;
  }
  gpt::ReferenceLoop loop(model.graph());
  const reprise::PassContext::Identity identity{.seed = 1, .step = 2, .micro_batch = 0};
  const auto loss = [&] {
    const auto value = static_cast<double>(*loop.forward(identity).data());
    loop.clear();
    return value;
  };
  model.parameters().zero_gradients();
  static_cast<void>(loop.forward(identity));
  loop.backward(model.scalar(1));
  CHECK(model.memory().live_bytes() == 0);

  // Along each parameter's own gradient the loss rises by the gradient's norm.
  for (auto& entry : model.parameters().entries()) {
    double norm = 0;
    for (const float g : entry.gradients) norm += static_cast<double>(g) * static_cast<double>(g);
    norm = std::sqrt(norm);
    if (norm < 1e-6) continue;
    constexpr double step = 4e-3;
    const std::vector<float> start = entry.values;
    const auto loss_at = [&](double distance) {
      for (std::size_t i = 0; i < start.size(); ++i) {
        entry.values[i] = start[i] + static_cast<float>(distance / norm *
                                                        static_cast<double>(entry.gradients[i]));
      }
      return loss();
    };
    const double rise = (loss_at(step) - loss_at(-step)) / (2 * step);
    entry.values = start;
    CHECK(std::abs(rise - norm) < 1e-3 + 0.01 * norm);
  }
}

TEST_CASE_TEMPLATE("two runs of training give the same bits", Device, gpt::Cpu,
                   reprise_test::PlayedGpu) {
  const auto train = [] {
    gpt::Model<Device> model(
        {.vocabulary = 13, .layers = 2, .channels = 32, .heads = 2, .context = 16, .dropout = 0.1F},
        5);
    model.batches() = random_batches<Device>(64, 13);
    gpt::ReferenceLoop loop(model.graph());
    std::vector<float> losses;
    for (std::uint64_t step = 0; step < 3; ++step) {
      model.parameters().zero_gradients();
      losses.push_back(*loop.forward({.seed = 1, .step = step, .micro_batch = 0}).data());
      loop.backward(model.scalar(1));
      for (auto& entry : model.parameters().entries()) {
        for (std::size_t i = 0; i < entry.values.size(); ++i) {
          entry.values[i] -= 0.1F * entry.gradients[i];
        }
      }
    }
    return losses;
  };
  const std::vector<float> losses = train();
  CHECK(losses == train());
  CHECK(losses.back() < losses.front());
}
