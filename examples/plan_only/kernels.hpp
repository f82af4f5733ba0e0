// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// An engine in the style of C: kernels on floats that others own, and a list of calls.

#include <cmath>
#include <cstddef>
#include <vector>

namespace plan_only {

/// All that is no activation: weights with their gradients, a batch and its loss.
struct Engine {
  static constexpr std::size_t rows = 64;  ///< of a batch, and so of every activation

  std::vector<float> weights{};
  std::vector<float> gradients{};
  std::vector<float> batch{};
  std::vector<std::size_t> classes{};  ///< of each row
  float loss = 0;
};

/// A kernel and what it is told besides its inputs and its output.
struct Call {
  void (*kernel)(Engine& engine, const Call& call, const float* const* in, float* out);
  std::size_t inner = 0;    ///< columns of the forward's first input
  std::size_t columns = 0;  ///< of the forward's output
  std::size_t weights = 0;  ///< where the call's own ones begin
};

/// y = x w
inline void product(Engine& engine, const Call& call, const float* const* in, float* y) {
  const float* const w = &engine.weights[call.weights];
  for (std::size_t row = 0; row < Engine::rows; ++row, y += call.columns) {
    for (std::size_t j = 0; j < call.columns; ++j) y[j] = 0;
    for (std::size_t i = 0; i < call.inner; ++i) {
      const float x = in[0][row * call.inner + i];
      for (std::size_t j = 0; j < call.columns; ++j) y[j] += x * w[i * call.columns + j];
    }
  }
}

/// dx from dy and x, unless nobody wants it; dw goes to the engine's own gradients.
inline void product_backward(Engine& engine, const Call& call, const float* const* in, float* dx) {
  const float* const w = &engine.weights[call.weights];
  float* const dw = &engine.gradients[call.weights];
  for (std::size_t i = 0; i < call.inner * call.columns; ++i) dw[i] = 0;
  for (std::size_t row = 0; row < Engine::rows; ++row) {
    const float* const dy = in[0] + row * call.columns;
    for (std::size_t i = 0; i < call.inner; ++i) {
      float sum = 0;
      for (std::size_t j = 0; j < call.columns; ++j) {
        sum += dy[j] * w[i * call.columns + j];
        dw[i * call.columns + j] += dy[j] * in[1][row * call.inner + i];
      }
      if (dx != nullptr) dx[row * call.inner + i] = sum;
    }
  }
}

/// y = x sigmoid(x)
inline void silu(Engine&, const Call& call, const float* const* in, float* y) {
  for (std::size_t i = 0; i < Engine::rows * call.columns; ++i) {
    y[i] = in[0][i] / (1 + std::exp(-in[0][i]));
  }
}

/// dx from dy, whose place it may take, and x
inline void silu_backward(Engine&, const Call& call, const float* const* in, float* dx) {
  for (std::size_t i = 0; i < Engine::rows * call.columns; ++i) {
    const float sigmoid = 1 / (1 + std::exp(-in[1][i]));
    dx[i] = in[0][i] * sigmoid * (1 + in[1][i] * (1 - sigmoid));
  }
}

/// y = a + b, in the place of b if there is no other
inline void add(Engine&, const Call& call, const float* const* in, float* y) {
  for (std::size_t i = 0; i < Engine::rows * call.columns; ++i) y[i] = in[0][i] + in[1][i];
}

/// The mean cross-entropy; its gradient may take the logits' place.
inline void cross_entropy(Engine& engine, const Call& call, const float* const* in, float* dx) {
  engine.loss = 0;
  for (std::size_t row = 0; row < Engine::rows; ++row) {
    const std::size_t at = row * call.columns;
    const std::size_t target = at + engine.classes[row];
    float sum = 0;
    for (std::size_t i = at; i < at + call.columns; ++i) sum += std::exp(in[0][i]);
    engine.loss -= (in[0][target] - std::log(sum)) / float(Engine::rows);
    for (std::size_t i = at; i < at + call.columns; ++i) {
      const float error = std::exp(in[0][i]) / sum - (i == target ? 1.0F : 0.0F);
      dx[i] = error / float(Engine::rows);
    }
  }
}

}  // namespace plan_only
