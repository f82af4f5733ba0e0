// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The GPT: its shape, its parameters and its graph.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <reprise/core/graph.hpp>
#include <string>
#include <utility>

#include "engine/batches.hpp"
#include "engine/cpu.hpp"
#include "engine/in_bfloat16.hpp"
#include "engine/memory.hpp"
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
#include "engine/tensor.hpp"

namespace gpt {

/// The sizes of a model.
struct ModelShape {
  std::size_t vocabulary = 256;
  std::size_t layers = 8;
  std::size_t channels = 128;
  std::size_t heads = 4;
  std::size_t context = 128;
  float dropout = 0.1F;
};

/// The model's graph, whose shapes are those of the batch, which no input shows.
template <class Device = Cpu>
class ModelGraph : public reprise::Graph<Tensor<Device>> {
 public:
  explicit ModelGraph(const Batches<Device>& batches) : batches_(&batches) {}

  [[nodiscard]] std::uint64_t shape_signature() const {
    return batches_->training.empty() ? 0 : batches_->training.front().tokens.size();
  }

 private:
  const Batches<Device>* batches_;
};

/// A pre-LN GPT with learned positions, causal attention and a tied head. Its graph has no inputs
/// (the first node reads the batch) and one output, the mean loss.
///
/// Layers of the graph: "embedding", "block 0", "block 1", …, "head". Dropout is on the embedding
/// and on what each branch adds to the residual stream.
template <class Device = Cpu>
class Model {
 public:
  explicit Model(const ModelShape& shape, std::uint64_t seed, Device device = Device{});
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  [[nodiscard]] const ModelShape& shape() const noexcept { return shape_; }
  [[nodiscard]] Memory<Device>& memory() noexcept { return memory_; }
  [[nodiscard]] Device& device() noexcept { return memory_.device(); }
  [[nodiscard]] Batches<Device>& batches() noexcept { return batches_; }
  [[nodiscard]] Parameters<Device>& parameters() noexcept { return parameters_; }
  [[nodiscard]] const Parameters<Device>& parameters() const noexcept { return parameters_; }
  [[nodiscard]] ModelGraph<Device>& graph() noexcept { return graph_; }

  /// A tensor of one float, as the gradient of the loss is.
  [[nodiscard]] Tensor<Device> scalar(float value) {
    Tensor<Device> tensor = Tensor<Device>::of_floats(memory_, 1, 1);
    device().for_each_index(1, Fill<float>{value, tensor.floats()});
    return tensor;
  }

  /// The batch where the model reads it.
  [[nodiscard]] TokenBatch<Device> upload(TokenBatch<> batch) {
    return {device().upload(std::move(batch.tokens)), device().upload(std::move(batch.targets))};
  }

 private:
  static constexpr float deviation = 0.02F;

  reprise::Source add_embedding() {
    tokens_ = parameters_.add_normal(shape_.vocabulary, shape_.channels, deviation);
    const Parameter<Device> positions =
        parameters_.add_normal(shape_.context, shape_.channels, deviation);
    graph_.begin_layer("embedding");
    return add_dropout(
        graph_.add(Embedding<Device>(memory_, batches_, tokens_, positions, shape_.channels)));
  }

  reprise::Source add_block(std::size_t index, reprise::Source x) {
    graph_.begin_layer("block " + std::to_string(index));
    x = graph_.add(Residual<Device>{}, x, add_attention(x));
    return graph_.add(Residual<Device>{}, x, add_feed_forward(x));
  }

  reprise::Source add_attention(reprise::Source x) {
    const std::size_t channels = shape_.channels;
    const AttentionShape shape{.heads = shape_.heads, .context = shape_.context};
    const reprise::Source projected = graph_.add(
        AttentionProjection<Device>(parameters_.add_normal(channels, 3 * channels, deviation),
                                    parameters_.add_constant(3 * channels, 0)),
        add_norm(x));
    const reprise::Source key{.node = projected.node, .port = 1};
    const reprise::Source value{.node = projected.node, .port = 2};
    const reprise::Source scores = graph_.add(AttentionScores<Device>(shape), projected, key);
    const reprise::Source weighted =
        graph_.add(AttentionOutput<Device>(shape), graph_.add(Softmax<Device>{}, scores), value);
    return add_dropout(add_linear(weighted, channels, channels, branch_deviation()));
  }

  reprise::Source add_feed_forward(reprise::Source x) {
    const std::size_t channels = shape_.channels;
    const reprise::Source hidden = add_linear(add_norm(x), channels, 4 * channels, deviation);
    return add_dropout(
        add_linear(graph_.add(Gelu<Device>{}, hidden), 4 * channels, channels, branch_deviation()));
  }

  void add_head(reprise::Source x) {
    graph_.begin_layer("head");
    const reprise::Source logits =
        graph_.add(TiedHead<Device>(tokens_, shape_.vocabulary), add_norm(x));
    graph_.output(graph_.add(CrossEntropy<Device>(batches_), logits));
    graph_.end_layer();
  }

  reprise::Source add_norm(reprise::Source x) {
    const Parameter<Device> scale = parameters_.add_constant(shape_.channels, 1);
    const Parameter<Device> shift = parameters_.add_constant(shape_.channels, 0);
    return graph_.add(LayerNorm<Device>(scale, shift), x);
  }

  reprise::Source add_linear(reprise::Source x, std::size_t inputs, std::size_t outputs,
                             float spread) {
    const Parameter<Device> weight = parameters_.add_normal(inputs, outputs, spread);
    const Parameter<Device> bias = parameters_.add_constant(outputs, 0);
    return graph_.add(Linear<Device>(weight, bias), x);
  }

  reprise::Source add_dropout(reprise::Source x) {
    return shape_.dropout > 0 ? graph_.add(Dropout<Device>(shape_.dropout), x) : x;
  }

  /// As in GPT-2: what many branches add up to keeps its scale.
  [[nodiscard]] float branch_deviation() const {
    return deviation / std::sqrt(2.0F * static_cast<float>(shape_.layers));
  }

  ModelShape shape_;
  Memory<Device> memory_;
  Batches<Device> batches_;
  Parameters<Device> parameters_;
  Parameter<Device> tokens_{};
  ModelGraph<Device> graph_{batches_};
};

// Apart from the class, and with it all that it calls, so that what a model consists of is compiled
// once for a device: an inline function is instantiated wherever it may be inlined.
template <class Device>
Model<Device>::Model(const ModelShape& shape, std::uint64_t seed, Device device)
    : shape_(shape), memory_(std::move(device)), parameters_(memory_.device(), seed) {
  reprise::Source x = add_embedding();
  for (std::size_t i = 0; i < shape.layers; ++i) x = add_block(i, x);
  add_head(x);
}

extern template class Model<Cpu>;
extern template class Model<InBfloat16<Cpu>>;

}  // namespace gpt
