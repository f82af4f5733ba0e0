// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Losses that stay where they are computed until somebody asks.

#include <cstddef>
#include <span>

#include "engine/tensor.hpp"

namespace gpt {

/// The losses of several passes, which reach the host in one copy.
template <class Device>
class Losses {
 public:
  /// Of so many passes; `device` outlives it.
  Losses(Device& device, std::size_t passes)
      : device_(&device), values_(device.make_buffer(passes, 0.0F)) {}

  void note(std::size_t pass, const Tensor<Device>& loss) {
    device_->for_each_index(1, Copy<float>{loss.floats(), values_.data() + pass});
  }

  /// Their mean. Waits for the device.
  [[nodiscard]] float mean() const {
    const float share = 1.0F / static_cast<float>(values_.size());
    return device_->read(std::span<const float>(values_.data(), values_.size()),
                         [share](std::span<const float> losses) {
                           float mean = 0;
                           for (const float loss : losses) mean += share * loss;
                           return mean;
                         });
  }

 private:
  Device* device_;
  typename Device::template Buffer<float> values_;
};

}  // namespace gpt
