// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A small residual net with dropout, trained in one of three ways.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <reprise/core/philox.hpp>
#include <reprise/run/checkpoint.hpp>
#include <utility>
#include <vector>

#include "tape/engine.hpp"

namespace tape {

/// What is done about the memory of a step.
enum class Mode : std::uint8_t {
  plain,        ///< everything is kept that backward needs
  checkpoints,  ///< each group of blocks is a checkpoint, and so is each block in it
  operations,   ///< a store runs each operation, and evicts and recomputes within a budget
};

/// How training goes.
struct Training {
  Mode mode = Mode::plain;
  std::uint64_t budget_bytes = 0;  ///< for `operations`
  std::size_t steps = 20;
  std::size_t groups = 4;
  std::size_t blocks = 4;                   ///< of a group
  reprise::CheckpointOptions checkpoint{};  ///< how checkpoints run again
};

/// All that training computed, and what it took.
struct Result {
  std::vector<float> losses{};  ///< of each step
  /// Of each step, one parameter after the other.
  std::vector<std::vector<float>> gradients{};
  std::uint64_t peak_bytes = 0;  ///< of all but the parameters, as the allocator saw it
  std::uint64_t computations = 0;
};

/// Parameters, and a function of them.
class Net {
 public:
  static constexpr std::size_t batch = 64;
  static constexpr std::size_t features = 8;
  static constexpr std::size_t width = 32;
  static constexpr std::size_t classes = 4;

  explicit Net(Training training) : training_(training) {
    add_parameter(features, width);
    for (std::size_t i = 0; i < training.groups * training.blocks; ++i) {
      add_parameter(width, width);
      add_parameter(width, width);
    }
    add_parameter(width, classes);
  }

  /// Each step draws a batch, differentiates the loss and goes down its gradient.
  [[nodiscard]] Result train() {
    Counters counters;
    Store store(training_.budget_bytes);
    Result result;
    for (std::uint64_t step = 0; step < training_.steps; ++step) {
      Tape tape(counters, {.seed = 1, .step = step},
                training_.mode == Mode::operations ? &store : nullptr);
      train_step(tape, step, result);
    }
    result.peak_bytes = counters.peak_bytes;
    result.computations = counters.computations;
    return result;
  }

 private:
  struct Parameter {
    std::size_t rows;
    std::size_t columns;
    Buffer buffer;
  };

  void add_parameter(std::size_t rows, std::size_t columns) {
    const auto buffer = std::make_shared<Floats>(parameter_counters_, rows * columns);
    const reprise::Philox random(2, parameters_.size());
    const float scale = 2.0F / std::sqrt(static_cast<float>(rows));
    for (std::size_t i = 0; i < buffer->data.size(); ++i) {
      buffer->data[i] = scale * (random.uniform(i) - 0.5F);
    }
    parameters_.push_back({rows, columns, buffer});
  }

  void train_step(Tape& tape, std::uint64_t step, Result& result) {
    std::vector<Variable> leaves;
    for (const Parameter& p : parameters_) leaves.push_back(tape.leaf(p.rows, p.columns, p.buffer));
    const auto [x, targets] = draw(step);
    const Variable loss = cross_entropy(forward(leaves, tape.leaf(batch, features, x)), targets);
    tape.backward(loss);
    result.losses.push_back(tape.read(loss.tensor).front());
    std::vector<float>& all = result.gradients.emplace_back();
    for (const Variable& leaf : leaves) {
      const std::vector<float> gradient = tape.read(tape.gradient(leaf));
      all.insert(all.end(), gradient.begin(), gradient.end());
    }
    descend(all);
  }

  // Not before all gradients are read: a store may recompute the others from the parameters.
  void descend(const std::vector<float>& gradients) {
    auto gradient = gradients.begin();
    for (const Parameter& parameter : parameters_) {
      for (float& weight : parameter.buffer->data) weight -= 0.3F * *gradient++;
    }
  }

  /// Points of a cube; the class says in which quarter of its first two dimensions one lies.
  [[nodiscard]] std::pair<Buffer, std::vector<std::uint8_t>> draw(std::uint64_t step) {
    const reprise::Philox random(3, step);
    const auto x = std::make_shared<Floats>(parameter_counters_, batch * features);
    for (std::size_t i = 0; i < x->data.size(); ++i) x->data[i] = random.uniform(i) - 0.5F;
    std::vector<std::uint8_t> targets;
    for (std::size_t at = 0; at < x->data.size(); at += features) {
      targets.push_back(
          static_cast<std::uint8_t>((x->data[at] > 0 ? 2 : 0) + (x->data[at + 1] > 0 ? 1 : 0)));
    }
    return {x, std::move(targets)};
  }

  [[nodiscard]] Variable forward(const std::vector<Variable>& leaves, const Variable& x) const {
    Variable h = matmul(x, leaves.front());
    for (std::size_t group = 0; group < training_.groups; ++group) {
      const auto first =
          leaves.begin() + 1 + static_cast<std::ptrdiff_t>(2 * group * training_.blocks);
      const std::vector<Variable> own(first,
                                      first + static_cast<std::ptrdiff_t>(2 * training_.blocks));
      h = call(
          [this, own](const Variable& in) {
            Variable y = in;
            for (std::size_t i = 0; i < own.size(); i += 2) y = block(y, own[i], own[i + 1]);
            return y;
          },
          h);
    }
    return matmul(h, leaves.back());
  }

  [[nodiscard]] Variable block(const Variable& x, const Variable& up, const Variable& down) const {
    return call(
        [up, down](const Variable& in) {
          return add(in, matmul(dropout(relu(matmul(in, up)), 0.1F), down));
        },
        x);
  }

  template <class F>
  [[nodiscard]] Variable call(F f, const Variable& x) const {
    return training_.mode == Mode::checkpoints
               ? reprise::checkpoint(training_.checkpoint, std::move(f), x)
               : f(x);
  }

  Training training_;
  Counters parameter_counters_{};
  std::vector<Parameter> parameters_{};
};

}  // namespace tape
