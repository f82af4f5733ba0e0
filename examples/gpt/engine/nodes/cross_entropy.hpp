// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The loss.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <reprise/core/node.hpp>

#include "engine/batches.hpp"
#include "engine/tensor.hpp"

namespace gpt {

namespace cross_entropy {

/// For each row the logarithm of the sum of exp(logits).
template <class Element>
struct LogSums {
  const Element* logits;
  std::size_t columns;
  float* log_sums;

  template <class Team>
  GPT_KERNEL void operator()(const Team& team, std::size_t row) const {
    const Element* const at = logits + row * columns;
    const float largest = team.max(columns, [&](std::size_t j) { return at[j]; });
    const float sum = team.sum(columns, [&](std::size_t j) { return std::exp(at[j] - largest); });
    team.once([&] { log_sums[row] = largest + std::log(sum); });
  }
};

/// One team for all rows, which are few.
template <class Element>
struct Mean {
  const Element* logits;
  const std::uint8_t* targets;
  std::size_t rows;
  std::size_t columns;
  const float* log_sums;
  float* loss;

  template <class Team>
  GPT_KERNEL void operator()(const Team& team, std::size_t) const {
    const double sum = team.sum(rows, [&](std::size_t row) {
      return static_cast<double>(log_sums[row] - logits[row * columns + targets[row]]);
    });
    team.once([&] { *loss = static_cast<float>(sum / static_cast<double>(rows)); });
  }
};

template <class Element>
struct Gradient {
  const Element* logits;
  const std::uint8_t* targets;
  std::size_t columns;
  const float* log_sums;
  const float* dloss;
  float share;
  Element* dlogits;

  template <class Team>
  GPT_KERNEL void operator()(const Team& team, std::size_t row) const {
    const Element* const from = logits + row * columns;
    Element* const to = dlogits + row * columns;
    const float scale = *dloss * share;
    const std::size_t target = targets[row];
    team.for_each(columns, [&](std::size_t j) {
      const float share_of_j = scale * std::exp(from[j] - log_sums[row]);
      to[j] = j == target ? share_of_j - scale : share_of_j;
    });
  }
};

}  // namespace cross_entropy

/// The mean over all tokens of -log(softmax(logits)[target]), as a tensor of one float.
template <class Device = Cpu>
class CrossEntropy {
 public:
  using tensor_type = Tensor<Device>;
  using Element = typename Device::Element;
  /// For each row the logarithm of the sum of exp(logits), a float.
  struct saved_type {
    tensor_type log_sums;
  };
  static constexpr auto backward_reads = reprise::Reads::input;

  explicit CrossEntropy(const Batches<Device>& batches) : batches_(&batches) {}

  tensor_type forward(const tensor_type& logits, saved_type& saved, reprise::PassContext& pass) {
    saved.log_sums = tensor_type::of_floats(logits.memory(), logits.rows(), 1);
    tensor_type loss = tensor_type::of_floats(logits.memory(), 1, 1);
    Device& device = logits.device();
    device.for_each_team(
        logits.rows(),
        cross_entropy::LogSums<Element>{logits.data(), logits.columns(), saved.log_sums.floats()},
        8 * logits.columns());
    device.for_each_team(1, cross_entropy::Mean<Element>{
                                logits.data(), batches_->of(pass).targets.data(), logits.rows(),
                                logits.columns(), saved.log_sums.floats(), loss.floats()});
    return loss;
  }

  tensor_type backward(const tensor_type& logits, saved_type& saved, const tensor_type& dloss,
                       reprise::PassContext& pass) {
    tensor_type dlogits = make_like(logits);
    logits.device().for_each_team(
        logits.rows(),
        cross_entropy::Gradient<Element>{logits.data(), batches_->of(pass).targets.data(),
                                         logits.columns(), saved.log_sums.floats(), dloss.floats(),
                                         1.0F / static_cast<float>(logits.rows()), dlogits.data()},
        8 * logits.columns());
    return dlogits;
  }

  [[nodiscard]] reprise::NodeCosts costs(const tensor_type& logits) const {
    const auto elements = static_cast<double>(logits.size());
    return {.forward_flops = 4 * elements, .backward_flops = 4 * elements};
  }

 private:
  const Batches<Device>* batches_;
};

static_assert(reprise::Node<CrossEntropy<>>);

}  // namespace gpt
