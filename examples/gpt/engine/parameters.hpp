// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The model's parameters and their gradients: buffers that never move.

#include <cmath>
#include <cstddef>
#include <deque>
#include <numbers>
#include <reprise/core/philox.hpp>
#include <span>
#include <vector>

#include "engine/for_each_index.hpp"

namespace gpt {

/// A handle on one parameter and its gradient.
struct Parameter {
  std::span<float> values;
  std::span<float> gradients;
};

/// Owns the parameters, in the order in which the model asked for them.
class Parameters {
 public:
  /// One parameter with its buffers.
  struct Entry {
    std::vector<float> values;
    std::vector<float> gradients;
    bool decays;  ///< a matrix: weight decay applies to it
  };

  explicit Parameters(std::uint64_t seed) : seed_(seed) {}

  /// A matrix that starts with normally distributed values.
  [[nodiscard]] Parameter add_normal(std::size_t rows, std::size_t columns, float deviation) {
    const Parameter added = add(rows * columns, 0, true);
    const reprise::Philox random(seed_, entries_.size());
    for_each_index(added.values.size(), Normal{random, deviation, added.values.data()});
    return added;
  }

  /// A vector that starts with one value everywhere.
  [[nodiscard]] Parameter add_constant(std::size_t size, float value) {
    return add(size, value, false);
  }

  void zero_gradients() {
    for (Entry& entry : entries_) entry.gradients.assign(entry.gradients.size(), 0.0F);
  }

  [[nodiscard]] std::deque<Entry>& entries() noexcept { return entries_; }
  [[nodiscard]] const std::deque<Entry>& entries() const noexcept { return entries_; }

  /// The number of values in all parameters.
  [[nodiscard]] std::size_t count() const noexcept {
    std::size_t count = 0;
    for (const Entry& entry : entries_) count += entry.values.size();
    return count;
  }

 private:
  /// Box and Muller's transform of two uniform numbers.
  struct Normal {
    reprise::Philox random;
    float deviation;
    float* values;

    GPT_KERNEL void operator()(std::size_t i) const {
      const auto words = random.block(i);
      const float radius = static_cast<float>((words[0] >> 8U) + 1) * 0x1p-24F;
      const float angle = static_cast<float>(words[1] >> 8U) * 0x1p-24F;
      values[i] = deviation * std::sqrt(-2.0F * std::log(radius)) *
                  std::cos(2.0F * std::numbers::pi_v<float> * angle);
    }
  };

  Parameter add(std::size_t size, float value, bool decays) {
    Entry& entry = entries_.emplace_back(
        Entry{std::vector<float>(size, value), std::vector<float>(size, 0.0F), decays});
    return {entry.values, entry.gradients};
  }

  std::uint64_t seed_;
  std::deque<Entry> entries_;
};

}  // namespace gpt
