// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The model's parameters and their gradients: buffers that never move.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <numbers>
#include <reprise/core/philox.hpp>
#include <span>
#include <utility>
#include <vector>

#include "engine/cpu.hpp"
#include "engine/kernel.hpp"
#include "engine/tensor.hpp"

namespace gpt {

/// A handle on one parameter and its gradient, in the device's memory.
struct Parameter {
  std::span<float> values;
  std::span<float> gradients;
};

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

/// Owns the parameters, in the order in which the model asked for them.
template <class Device = Cpu>
class Parameters {
 public:
  using Buffer = typename Device::template Buffer<float>;

  /// One parameter with its buffers.
  struct Entry {
    Buffer values;
    Buffer gradients;
    bool decays;  ///< a matrix: weight decay applies to it
  };

  /// @param device outlives them
  Parameters(Device& device, std::uint64_t seed) : device_(&device), seed_(seed) {}

  /// A matrix that starts with normally distributed values.
  [[nodiscard]] Parameter add_normal(std::size_t rows, std::size_t columns, float deviation) {
    const Parameter added = add(rows * columns, 0, true);
    const reprise::Philox random(seed_, entries_.size());
    device_->for_each_index(added.values.size(), Normal{random, deviation, added.values.data()});
    return added;
  }

  /// A vector that starts with one value everywhere.
  [[nodiscard]] Parameter add_constant(std::size_t size, float value) {
    return add(size, value, false);
  }

  void zero_gradients() {
    for (Entry& entry : entries_) {
      device_->for_each_index(entry.gradients.size(), Fill<float>{0, entry.gradients.data()});
    }
  }

  /// Where they are.
  [[nodiscard]] Device& device() const noexcept { return *device_; }
  [[nodiscard]] std::deque<Entry>& entries() noexcept { return entries_; }
  [[nodiscard]] const std::deque<Entry>& entries() const noexcept { return entries_; }

  /// The number of values in each parameter.
  [[nodiscard]] std::vector<std::size_t> sizes() const {
    std::vector<std::size_t> sizes;
    for (const Entry& entry : entries_) sizes.push_back(entry.values.size());
    return sizes;
  }
  /// The number of values in all parameters.
  [[nodiscard]] std::size_t count() const noexcept {
    std::size_t count = 0;
    for (const Entry& entry : entries_) count += entry.values.size();
    return count;
  }

 private:
  Parameter add(std::size_t size, float value, bool decays) {
    Entry& entry = entries_.emplace_back(
        Entry{device_->make_buffer(size, value), device_->make_buffer(size, 0.0F), decays});
    return {{entry.values.data(), size}, {entry.gradients.data(), size}};
  }

  Device* device_;
  std::uint64_t seed_;
  std::deque<Entry> entries_;
};

}  // namespace gpt
