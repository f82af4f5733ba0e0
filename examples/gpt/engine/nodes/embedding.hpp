// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The first node: token and position embeddings.

#include <cstddef>
#include <cstdint>
#include <reprise/core/node.hpp>
#include <span>

#include "engine/batches.hpp"
#include "engine/parameters.hpp"
#include "engine/tensor.hpp"

namespace gpt {

namespace embedding {

template <class Element>
struct Lookup {
  const std::uint8_t* tokens;
  const Element* token_table;
  const Element* position_table;
  std::size_t channels;
  std::size_t context;
  Element* y;

  template <class Team>
  GPT_KERNEL void operator()(const Team& team, std::size_t row) const {
    const Element* const token = token_table + tokens[row] * channels;
    const Element* const position = position_table + row % context * channels;
    team.for_each(channels, [&](std::size_t j) { y[row * channels + j] = token[j] + position[j]; });
  }
};

/// Adds up what belongs to one token, wherever it stands, in the order of the rows.
template <class Element>
struct TokenGradient {
  const std::uint8_t* tokens;
  const Element* dy;
  std::size_t rows;
  std::size_t channels;
  float* gradients;

  template <class Team>
  GPT_KERNEL void operator()(const Team& team, std::size_t token) const {
    float* const into = gradients + token * channels;
    for (std::size_t row = 0; row < rows; ++row) {
      if (tokens[row] != token) continue;
      const Element* const from = dy + row * channels;
      team.for_each(channels, [&](std::size_t j) { into[j] += from[j]; });
    }
  }
};

/// Adds up what belongs to one position, sequence after sequence.
template <class Element>
struct PositionGradient {
  const Element* dy;
  std::size_t rows;
  std::size_t channels;
  std::size_t context;
  float* gradients;

  template <class Team>
  GPT_KERNEL void operator()(const Team& team, std::size_t position) const {
    float* const into = gradients + position * channels;
    for (std::size_t row = position; row < rows; row += context) {
      const Element* const from = dy + row * channels;
      team.for_each(channels, [&](std::size_t j) { into[j] += from[j]; });
    }
  }
};

}  // namespace embedding

/// y[r] = token_table[token r] + position_table[r mod context], for the tokens of the pass's batch.
template <class Device = Cpu>
class Embedding {
 public:
  using tensor_type = Tensor<Device>;
  using Element = typename Device::Element;

  Embedding(Memory<Device>& memory, const Batches<Device>& batches, Parameter<Device> tokens,
            Parameter<Device> positions, std::size_t channels)
      : memory_(&memory),
        batches_(&batches),
        tokens_(tokens),
        positions_(positions),
        channels_(channels) {}

  tensor_type forward(reprise::PassContext& pass) {
    const auto& tokens = batches_->of(pass).tokens;
    tensor_type y(*memory_, tokens.size(), channels_);
    y.device().for_each_team(
        tokens.size(),
        embedding::Lookup<Element>{tokens.data(), tokens_.values.data(), positions_.values.data(),
                                   channels_, context(), y.data()},
        channels_);
    return y;
  }

  void backward(const tensor_type& dy, reprise::PassContext& pass) {
    const auto& tokens = batches_->of(pass).tokens;
    Device& device = dy.device();
    const std::size_t vocabulary = tokens_.values.size() / channels_;
    device.for_each_team(vocabulary,
                         embedding::TokenGradient<Element>{tokens.data(), dy.data(), dy.rows(),
                                                           channels_, tokens_.gradients.data()},
                         dy.size() / vocabulary);
    device.for_each_team(
        context(),
        embedding::PositionGradient<Element>{dy.data(), dy.rows(), channels_, context(),
                                             positions_.gradients.data()},
        dy.size() / context());
  }

  [[nodiscard]] reprise::NodeCosts costs() const {
    const auto additions = static_cast<double>(batch_elements());
    return {.forward_flops = additions, .backward_flops = 2 * additions};
  }

  template <class F>
  void for_each_gradient(F&& f) {
    f(tokens_.gradients);
    f(positions_.gradients);
  }

 private:
  [[nodiscard]] std::size_t context() const { return positions_.values.size() / channels_; }
  [[nodiscard]] std::size_t batch_elements() const {
    return batches_->training.empty() ? 0 : batches_->training.front().tokens.size() * channels_;
  }

  Memory<Device>* memory_;
  const Batches<Device>* batches_;
  Parameter<Device> tokens_;
  Parameter<Device> positions_;
  std::size_t channels_;
};

static_assert(reprise::Node<Embedding<>, 0>);

}  // namespace gpt
