// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A residual net, written down twice at once: as calls for the engine, and as a program for a
/// planner.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/core/philox.hpp>
#include <reprise/program/program.hpp>
#include <string>
#include <utility>
#include <vector>

#include "plan_only/kernels.hpp"

namespace plan_only {

/// One step of training: y = x + silu(x w) v, block after block, between an embedding and a head.
class Net {
 public:
  static constexpr std::size_t features = 8;
  static constexpr std::size_t width = 32;
  static constexpr std::size_t wide = 128;
  static constexpr std::size_t classes = 4;
  static constexpr reprise::value_id batch = 0;  ///< the one value that is the engine's own

  explicit Net(std::uint32_t blocks) { describe(blocks); }

  [[nodiscard]] const reprise::Program& program() const { return *program_; }
  /// What each operation runs.
  [[nodiscard]] const std::vector<Call>& calls() const { return calls_; }
  /// What each operation is called.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

  /// An engine before training: random weights, the same ones each time.
  [[nodiscard]] Engine make_engine() const {
    Engine engine;
    engine.gradients.resize(weights_);
    const reprise::Philox random(1, 0);
    for (std::size_t i = 0; i < weights_; ++i) {
      engine.weights.push_back(0.2F * (random.uniform(i) - 0.5F));
    }
    return engine;
  }

 private:
  using Values = std::vector<reprise::value_id>;
  using Kind = reprise::OperationKind;
  struct Block {
    reprise::value_id input, up, silu, down;
  };

  void describe(std::uint32_t blocks) {
    values_.push_back({.kind = reprise::ValueKind::input});
    const reprise::value_id embedded = forward("embed", weighted(features, width), {batch});
    std::vector<Block> all;
    reprise::value_id h = embedded;
    for (layer_ = 1; layer_ <= blocks; ++layer_) {
      const reprise::value_id up = forward("up", weighted(width, wide), {h});
      const reprise::value_id activated = forward("silu", {&silu, wide, wide}, {up});
      const reprise::value_id down = forward("down", weighted(wide, width), {activated});
      all.push_back({h, up, activated, down});
      h = forward("add", {&add, width, width}, {h, down}, {down});
    }
    const reprise::value_id logits = forward("head", weighted(width, classes), {h});
    loss_ = static_cast<reprise::operation_id>(calls_.size());
    reprise::value_id dy = record({.kind = Kind::loss, .reads = {logits}, .consumes = {logits}},
                                  "loss", {&cross_entropy, classes, classes}, classes);
    dy = backward(logits, &product_backward, {dy, h});
    for (; !all.empty(); all.pop_back()) {
      const Block& block = all.back();
      reprise::value_id inner = backward(block.down, &product_backward, {dy, block.silu});
      inner = backward(block.silu, &silu_backward, {inner, block.up}, {inner});
      inner = backward(block.up, &product_backward, {inner, block.input});
      dy = backward(block.down + 1, &add, {inner, dy}, {dy});
    }
    backward(embedded, &product_backward, {dy, batch});
    program_.emplace(values_, std::move(operations_), loss_, layer_ + 1, true);
  }

  [[nodiscard]] Call weighted(std::size_t inner, std::size_t columns) {
    return {&product, inner, columns, std::exchange(weights_, weights_ + inner * columns)};
  }

  // Values are numbered as their operations are, the batch before them all.
  reprise::value_id forward(std::string name, const Call& call, Values reads,
                            Values consumes = {}) {
    return record({.node = static_cast<std::uint32_t>(calls_.size()),
                   .layer = layer_,
                   .reads = std::move(reads),
                   .consumes = std::move(consumes),
                   .cost = flops(call),
                   .repeatable = true},
                  std::move(name), call, call.columns);
  }

  // Of the operation that made a value; nobody wants the gradient of the batch.
  reprise::value_id backward(reprise::value_id made, decltype(Call::kernel) kernel, Values reads,
                             Values consumes = {}) {
    const std::uint32_t node = made - 1;
    Call call = calls_[node];
    call.kernel = kernel;
    const bool is_first = reads.back() == batch;
    return record({.kind = Kind::backward,
                   .node = node,
                   .layer = operations_[node].layer,
                   .reads = std::move(reads),
                   .consumes = std::move(consumes),
                   .cost = 2 * flops(calls_[node])},
                  names_[node], call, is_first ? 0 : call.inner);
  }

  // @param columns of what it makes; 0 if that is nothing
  reprise::value_id record(reprise::Operation operation, std::string name, const Call& call,
                           std::size_t columns) {
    const auto made = static_cast<reprise::value_id>(values_.size());
    if (columns > 0) {
      operation.writes = {made};
      values_.push_back({.kind = operation.kind == Kind::forward ? reprise::ValueKind::output
                                                                 : reprise::ValueKind::gradient,
                         .node = operation.node,
                         .bytes = Engine::rows * columns * sizeof(float)});
    }
    operations_.push_back(std::move(operation));
    calls_.push_back(call);
    names_.push_back(std::move(name));
    return made;
  }

  [[nodiscard]] static double flops(const Call& call) {
    const std::size_t each = call.kernel == &product ? 2 * call.inner : 4;
    return static_cast<double>(Engine::rows * call.columns * each);
  }

  std::vector<reprise::Value> values_;
  std::vector<reprise::Operation> operations_;
  std::optional<reprise::Program> program_;
  std::vector<Call> calls_;
  std::vector<std::string> names_;
  reprise::operation_id loss_ = 0;
  std::uint32_t layer_ = 0;
  std::size_t weights_ = 0;
};

/// Draws points of a cube; the class says in which quarter of two dimensions one lies.
inline void draw_batch(Engine& engine, std::uint64_t step) {
  const reprise::Philox random(2, step);
  engine.batch.resize(Engine::rows * Net::features);
  engine.classes.resize(Engine::rows);
  for (std::size_t i = 0; i < engine.batch.size(); ++i) engine.batch[i] = random.uniform(i) - 0.5F;
  for (std::size_t row = 0; row < Engine::rows; ++row) {
    const float* const point = &engine.batch[row * Net::features];
    engine.classes[row] = (point[0] > 0 ? 2U : 0U) + (point[1] > 0 ? 1U : 0U);
  }
}

/// Goes down the gradients.
inline void descend(Engine& engine) {
  for (std::size_t i = 0; i < engine.weights.size(); ++i) {
    engine.weights[i] -= 0.2F * engine.gradients[i];
  }
}

}  // namespace plan_only
