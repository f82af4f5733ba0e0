// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Nets whose programs are unlike a residual net's: recurrent, tree-shaped, densely connected, and
/// an optimiser that is differentiated through.

#include <cstddef>
#include <reprise/program/program.hpp>
#include <vector>

#include "recorder.hpp"

namespace kinds {

/// A state of an LSTM.
struct CellState {
  value_id hidden;
  value_id cell;
};

/// The weights of an LSTM's cell, gates joined.
struct CellWeights {
  value_id of_input;
  value_id of_hidden;
};

/// One step: i, f, o, g from one product each of the input and the hidden state.
inline CellState lstm_cell(Recorder& recorder, CellWeights weights, value_id input,
                           const std::vector<CellState>& states, std::size_t width) {
  const byte_count bytes = recorder.bytes(states[0].hidden);
  std::vector<value_id> sums{recorder.product(input, weights.of_input, 4 * bytes, width)};
  for (const CellState& state : states) {
    sums.push_back(recorder.product(state.hidden, weights.of_hidden, 4 * bytes, width));
  }
  const value_id gates = recorder.sum(std::move(sums));
  const auto gate = [&] { return recorder.squash(recorder.part(gates, bytes)); };
  const value_id let_in = gate();
  const value_id let_out = gate();
  const value_id candidate = gate();
  std::vector<value_id> kept{recorder.times(let_in, candidate)};
  for (const CellState& state : states) kept.push_back(recorder.times(gate(), state.cell));
  const value_id cell = recorder.sum(std::move(kept));
  return {.hidden = recorder.times(let_out, recorder.squash(cell)), .cell = cell};
}

/// Two layers of LSTM over a sequence, read out at each step.
inline Program recurrent(std::size_t steps) {
  constexpr std::size_t width = 512;
  constexpr byte_count bytes = 64 * width * 4;
  Recorder recorder;
  const auto weights = [&] {
    return CellWeights{recorder.weight(width * 4 * width * 4),
                       recorder.weight(width * 4 * width * 4)};
  };
  const std::vector<CellWeights> layers{weights(), weights()};
  const value_id readout = recorder.weight(width * 1000 * 4);
  std::vector<CellState> states(layers.size(), {recorder.data(bytes), recorder.data(bytes)});
  std::vector<value_id> losses;
  for (std::size_t step = 0; step < steps; ++step) {
    value_id input = recorder.data(bytes);
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      states[layer] = lstm_cell(recorder, layers[layer], input, {states[layer]}, width);
      input = states[layer].hidden;
    }
    const value_id scores = recorder.product(input, readout, 64 * 1000 * 4, width);
    losses.push_back(recorder.part(recorder.squash(scores), 4));
  }
  static_cast<void>(recorder.sum(std::move(losses)));
  return recorder.differentiate();
}

/// A tree-LSTM over a complete binary tree.
inline Program tree_shaped(std::size_t depth) {
  constexpr std::size_t width = 256;
  constexpr byte_count bytes = 32 * width * 4;
  Recorder recorder;
  const CellWeights weights{recorder.weight(width * 4 * width * 4),
                            recorder.weight(width * 4 * width * 4)};
  const value_id nothing = recorder.data(bytes);
  const auto tree = [&](const auto& self, std::size_t levels) -> CellState {
    std::vector<CellState> children{{nothing, nothing}};
    if (levels > 0) {
      const CellState left = self(self, levels - 1);
      children = {left, self(self, levels - 1)};
    }
    return lstm_cell(recorder, weights, recorder.data(bytes), children, width);
  };
  const CellState root = tree(tree, depth);
  static_cast<void>(recorder.part(root.hidden, 4));
  return recorder.differentiate();
}

/// Blocks in which each layer reads all before it.
inline Program densely_connected(std::size_t blocks, std::size_t layers) {
  constexpr std::size_t growth = 32;
  Recorder recorder;
  std::size_t side = 56;
  std::size_t channels = 64;
  const auto map_bytes = [&](std::size_t of) { return byte_count{16} * side * side * of * 4; };
  const auto convolve = [&](value_id x, std::size_t from, std::size_t to, std::size_t kernel) {
    const value_id weight = recorder.weight(from * to * kernel * kernel * 4);
    return recorder.product(x, weight, map_bytes(to), from * kernel * kernel);
  };
  value_id x = recorder.data(map_bytes(channels));
  for (std::size_t block = 0; block < blocks; ++block) {
    std::vector<value_id> maps{x};
    for (std::size_t layer = 0; layer < layers; ++layer) {
      const std::size_t now = channels + layer * growth;
      const value_id all = maps.size() > 1 ? recorder.joined(maps) : maps[0];
      const value_id narrow = convolve(recorder.squash(recorder.bend(all)), now, 4 * growth, 1);
      maps.push_back(convolve(recorder.squash(recorder.bend(narrow)), 4 * growth, growth, 3));
    }
    x = recorder.joined(maps);
    channels += layers * growth;
    const value_id halved = convolve(recorder.squash(recorder.bend(x)), channels, channels / 2, 1);
    channels /= 2;
    side /= 2;
    x = recorder.run({halved}, map_bytes(channels), static_cast<double>(map_bytes(channels)), {});
  }
  static_cast<void>(recorder.part(x, 4));
  return recorder.differentiate();
}

/// Steps of gradient descent on a small net, differentiated through as in meta-learning.
inline Program unrolled_optimiser(std::size_t steps) {
  constexpr std::size_t width = 256;
  constexpr std::size_t batch = 1024;
  constexpr byte_count weight_bytes = width * width * 4;
  constexpr byte_count bytes = batch * width * 4;
  Recorder recorder;
  std::vector<value_id> weights;
  for (int layer = 0; layer < 3; ++layer) weights.push_back(recorder.weight(weight_bytes));
  for (std::size_t step = 0; step < steps; ++step) {
    std::vector<value_id> inputs{recorder.data(bytes)};
    for (const value_id weight : weights) {
      inputs.push_back(recorder.squash(recorder.product(inputs.back(), weight, bytes, width)));
    }
    value_id gradient = recorder.sum({inputs.back(), recorder.data(bytes)});
    for (std::size_t layer = weights.size(); layer-- > 0;) {
      gradient = recorder.times(gradient, recorder.bend(inputs[layer + 1]));
      const value_id change = recorder.product(inputs[layer], gradient, weight_bytes, batch);
      if (layer > 0) gradient = recorder.product(gradient, weights[layer], bytes, width);
      weights[layer] = recorder.sum({weights[layer], change});
    }
  }
  const value_id last = recorder.product(recorder.data(bytes), weights[0], bytes, width);
  static_cast<void>(recorder.part(recorder.squash(last), 4));
  return recorder.differentiate();
}

}  // namespace kinds
