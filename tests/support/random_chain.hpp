// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <reprise/core/graph.hpp>
#include <reprise/program/cost/flops.hpp>
#include <reprise/program/lowering.hpp>
#include <reprise/program/profile.hpp>
#include <reprise/program/program.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "support/random_graph.hpp"

namespace reprise_test {

/// What a random chain may have.
struct RandomChainKind {
  std::uint32_t layers = 5;
  reprise::byte_count unit = 1;  ///< each size is a multiple of it
  /// A layer's backward may read the layer's output although the next one's does not.
  bool reads_output_alone = false;
  /// Nothing is consumed, no output left out.
  bool is_plain = false;
};

/// A program of layers of one node each, of very different sizes and costs: some save nothing, some
/// read their input or output in backward, the first ones may be frozen. Costs are whole numbers.
class RandomChainProgram {
 public:
  RandomChainProgram(std::mt19937_64& random, RandomChainKind kind) : random_(random), kind_(kind) {
    for (std::uint32_t n = 0; n < kind.layers; ++n) {
      // The last one's output is read at the loss, so that it is there for its backward.
      reads_input_.push_back(pick(2) == 0);
      reads_output_.push_back(pick(2) == 0);
      if (n > 0 && !kind.reads_output_alone && !reads_input_[n]) reads_output_[n - 1] = false;
    }
    frozen_ = pick(4) == 0 ? static_cast<std::uint32_t>(pick(kind.layers)) : 0;
    values_.push_back({.kind = reprise::ValueKind::input});
    for (std::uint32_t n = 0; n < kind.layers; ++n) add_forward(n);
    const auto loss = static_cast<reprise::operation_id>(operations_.size());
    add_loss();
    for (std::uint32_t n = kind.layers; n-- > frozen_;) add_backward(n);
    program_.emplace(std::move(values_), std::move(operations_), loss, kind.layers, true);
  }

  [[nodiscard]] const reprise::Program& program() const { return *program_; }

 private:
  [[nodiscard]] std::size_t pick(std::size_t n) { return random_() % n; }
  [[nodiscard]] reprise::byte_count bytes(std::size_t least, std::size_t most) {
    return kind_.unit * (least + pick(most - least + 1));
  }
  reprise::value_id add(const reprise::Value& value) {
    values_.push_back(value);
    return static_cast<reprise::value_id>(values_.size() - 1);
  }

  void add_forward(std::uint32_t n) {
    const reprise::value_id input = n == 0 ? 0 : outputs_.back();
    outputs_.push_back(add({.kind = reprise::ValueKind::output, .node = n, .bytes = bytes(1, 6)}));
    saved_.push_back(0);
    reprise::Operation op{.kind = reprise::OperationKind::forward,
                          .node = n,
                          .layer = n,
                          .reads = {input},
                          .writes = {outputs_.back()},
                          .transient_bytes = bytes(0, 3),
                          .cost = static_cast<double>(pick(10)),
                          .repeatable = true,
                          .can_skip_output = pick(2) == 0 && !kind_.is_plain};
    if (pick(4) != 0) {
      saved_.back() = add({.kind = reprise::ValueKind::saved, .node = n, .bytes = bytes(1, 9)});
      op.writes.push_back(saved_.back());
    }
    operations_.push_back(std::move(op));
  }

  void add_loss() {
    gradient_ = add({.kind = reprise::ValueKind::gradient,
                     .node = kind_.layers - 1,
                     .bytes = values_[outputs_.back()].bytes});
    operations_.push_back({.kind = reprise::OperationKind::loss,
                           .layer = kind_.layers - 1,
                           .reads = {outputs_.back()},
                           .writes = {gradient_}});
  }

  void add_backward(std::uint32_t n) {
    reprise::Operation op{.kind = reprise::OperationKind::backward,
                          .node = n,
                          .layer = n,
                          .reads = {gradient_},
                          .transient_bytes = bytes(0, 4),
                          .cost = static_cast<double>(pick(20))};
    if (saved_[n] != 0) op.reads.push_back(saved_[n]);
    if (reads_input_[n]) op.reads.push_back(n == 0 ? 0 : outputs_[n - 1]);
    if (reads_output_[n]) op.reads.push_back(outputs_[n]);
    if (pick(3) == 0 && !kind_.is_plain) op.consumes.push_back(gradient_);
    if (n > frozen_ || frozen_ == 0) {
      gradient_ = add({.kind = reprise::ValueKind::gradient,
                       .node = n == 0 ? reprise::Value::no_node : n - 1,
                       .bytes = n == 0 ? bytes(0, 5) : values_[outputs_[n - 1]].bytes,
                       .stays = n == 0});
      op.writes.push_back(gradient_);
    }
    operations_.push_back(std::move(op));
  }

  std::mt19937_64& random_;
  RandomChainKind kind_;
  std::uint32_t frozen_ = 0;
  std::vector<bool> reads_input_;
  std::vector<bool> reads_output_;
  std::vector<reprise::Value> values_;
  std::vector<reprise::Operation> operations_;
  std::vector<reprise::value_id> outputs_;
  std::vector<reprise::value_id> saved_;
  reprise::value_id gradient_ = 0;
  std::optional<reprise::Program> program_;
};

/// A chain of real layers of several nodes each, with branches, views, consumed inputs and nodes of
/// two outputs inside.
struct RandomLayers {
  std::unique_ptr<World> world = std::make_unique<World>();
  reprise::Graph<Tensor> graph;
  std::vector<std::shared_ptr<Parameter>> parameters;
  std::size_t width = 0;

  RandomLayers(std::mt19937_64& random, std::size_t layers) : random_(&random) {
    width = 1 + pick(6);
    reprise::Source source = graph.input();
    for (std::size_t layer = 0; layer < layers; ++layer) {
      graph.begin_layer("layer " + std::to_string(layer));
      source = add_layer(source);
    }
    graph.end_layer();
    graph.output(source);
    random_ = nullptr;
  }

  [[nodiscard]] Tensor tensor(double scale) {
    Tensor t(world->memory, width);
    for (std::size_t i = 0; i < width; ++i) t[i] = scale * static_cast<double>(i + 1);
    return t;
  }
  void zero_gradients() {
    for (const auto& p : parameters) p->gradient.assign(width, 0.0);
  }
  [[nodiscard]] std::vector<double> gradients() const {
    std::vector<double> all;
    for (const auto& p : parameters) all.insert(all.end(), p->gradient.begin(), p->gradient.end());
    return all;
  }
  [[nodiscard]] reprise::Program program() {
    Tensor input = tensor(0.3);
    Tensor* const inputs[] = {&input};
    const reprise::Profile profile =
        reprise::make_profile(graph, std::span<Tensor* const>(inputs), {});
    return reprise::lower(graph, profile, true, reprise::Flops{}).program;
  }

 private:
  [[nodiscard]] std::size_t pick(std::size_t n) { return (*random_)() % n; }

  reprise::Source add_layer(reprise::Source source) {
    reprise::Source branch = source;
    for (std::size_t n = 1 + pick(4); n > 0; --n) branch = add_node(branch);
    if (pick(2) == 0) return branch;
    return graph.add(Mix{world.get()}, branch, source);
  }

  reprise::Source add_node(reprise::Source source) {
    switch (pick(7)) {
      case 0:
        return graph.add(Bell{world.get()}, source);
      case 1:
        return graph.add(Silu{world.get()}, source);
      case 2: {
        const reprise::Source both = graph.add(SinCos{world.get()}, source);
        return graph.add(Mix{world.get()}, both, reprise::Source{.node = both.node, .port = 1});
      }
      case 3:
        return graph.add(ScaleInPlace{world.get()}, add_dense(source));
      case 4:
        return source.is_graph_input() ? add_dense(source) : graph.add(View{world.get()}, source);
      default:
        return add_dense(source);
    }
  }

  reprise::Source add_dense(reprise::Source source) {
    auto made = std::make_shared<Parameter>();
    for (std::size_t i = 0; i < width; ++i) {
      made->value.push_back(static_cast<double>(pick(2001)) / 1000.0 - 1.0);
    }
    made->gradient.assign(width, 0.0);
    parameters.push_back(std::move(made));
    const Dense dense{.world = world.get(), .weight = parameters.back(), .transient = pick(3)};
    if (pick(2) == 0) return graph.add(dense, source);
    return graph.add(SkippingDense{dense}, source);
  }

  std::mt19937_64* random_;
};

}  // namespace reprise_test
