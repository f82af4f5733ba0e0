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
#include <optional>
#include <reprise/core/philox.hpp>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/cpu.hpp"
#include "engine/kernel.hpp"
#include "engine/tensor.hpp"

namespace gpt {

/// A handle on one parameter and its gradient, in the device's memory. The values are what layers
/// read: the device's elements.
template <class Device = Cpu>
struct Parameter {
  std::span<typename Device::Element> values;
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

/// Owns the parameters, in the order in which the model asked for them. They are floats; where the
/// device's elements are not, layers read a rounded copy.
template <class Device = Cpu>
class Parameters {
 public:
  using Element = typename Device::Element;
  using Buffer = typename Device::template Buffer<float>;

  /// One parameter with its buffers.
  struct Entry {
    Buffer values;
    Buffer gradients;
    bool decays;  ///< a matrix: weight decay applies to it
    std::optional<typename Device::template Buffer<Element>> rounded{};  ///< what layers read
  };

  /// @param device outlives them
  Parameters(Device& device, std::uint64_t seed) : device_(&device), seed_(seed) {}

  /// A matrix that starts with normally distributed values.
  [[nodiscard]] Parameter<Device> add_normal(std::size_t rows, std::size_t columns,
                                             float deviation) {
    Entry& entry = add(rows * columns, 0, true);
    const reprise::Philox random(seed_, entries_.size());
    device_->for_each_index(rows * columns, Normal{random, deviation, entry.values.data()});
    return handle_on(entry);
  }

  /// A vector that starts with one value everywhere.
  [[nodiscard]] Parameter<Device> add_constant(std::size_t size, float value) {
    return handle_on(add(size, value, false));
  }

  /// Lets the layers see what has become of the values.
  void publish() {
    for (Entry& entry : entries_) publish(entry);
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
  static constexpr bool rounds = !std::is_same_v<Element, float>;

  Entry& add(std::size_t size, float value, bool decays) {
    return entries_.emplace_back(
        Entry{device_->make_buffer(size, value), device_->make_buffer(size, 0.0F), decays});
  }

  Parameter<Device> handle_on(Entry& entry) {
    const std::size_t size = entry.values.size();
    const std::span<float> gradients(entry.gradients.data(), size);
    if constexpr (rounds) {
      entry.rounded = device_->make_buffer(size, Element(0.0F));
      publish(entry);
      return {{entry.rounded->data(), size}, gradients};
    } else {
      return {{entry.values.data(), size}, gradients};
    }
  }

  void publish(Entry& entry) {
    if constexpr (rounds) {
      device_->for_each_index(entry.values.size(),
                              Copy<float, Element>{entry.values.data(), entry.rounded->data()});
    }
  }

  Device* device_;
  std::uint64_t seed_;
  std::deque<Entry> entries_;
};

}  // namespace gpt
