// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The optimiser.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/kernel.hpp"
#include "engine/parameters.hpp"

namespace gpt {

/// What the user of AdamW chooses.
struct AdamWOptions {
  float learning_rate = 1e-3F;
  float beta1 = 0.9F;
  float beta2 = 0.95F;
  float epsilon = 1e-8F;
  float weight_decay = 0.1F;
};

/// One step of one parameter.
struct AdamWUpdate {
  AdamWOptions options;
  float correction1;
  float correction2;
  float decay = 0;
  const float* gradients = nullptr;
  float* values = nullptr;
  float* first = nullptr;
  float* second = nullptr;

  GPT_KERNEL void operator()(std::size_t i) const {
    const float g = gradients[i];
    first[i] = options.beta1 * first[i] + (1 - options.beta1) * g;
    second[i] = options.beta2 * second[i] + (1 - options.beta2) * g * g;
    const float direction =
        first[i] * correction1 / (std::sqrt(second[i] * correction2) + options.epsilon);
    values[i] -= options.learning_rate * (direction + decay * values[i]);
  }
};

/// AdamW; weight decay applies to matrices only.
///
/// Source: Loshchilov, Hutter, "Decoupled weight decay regularization", ICLR 2019, algorithm 2.
template <class Device = Cpu>
class AdamW {
 public:
  using Buffer = typename Device::template Buffer<float>;

  /// The two moments of one parameter's gradient.
  struct Moments {
    Buffer first;
    Buffer second;
  };

  AdamW(Parameters<Device>& parameters, const AdamWOptions& options)
      : parameters_(&parameters), options_(options) {
    Device& device = parameters.device();
    for (const auto& entry : parameters.entries()) {
      const std::size_t size = entry.values.size();
      moments_.push_back({device.make_buffer(size, 0.0F), device.make_buffer(size, 0.0F)});
    }
  }

  /// Moves the parameters by their gradients.
  void step() {
    ++steps_;
    const auto t = static_cast<double>(steps_);
    AdamWUpdate update{.options = options_,
                       .correction1 = correction(options_.beta1, t),
                       .correction2 = correction(options_.beta2, t)};
    for (std::size_t i = 0; i < moments_.size(); ++i) {
      auto& entry = parameters_->entries()[i];
      update.decay = entry.decays ? options_.weight_decay : 0;
      update.gradients = entry.gradients.data();
      update.values = entry.values.data();
      update.first = moments_[i].first.data();
      update.second = moments_[i].second.data();
      parameters_->device().for_each_index(entry.values.size(), update, 4);
    }
    parameters_->publish();
  }

  /// Steps so far, and the state: what training resumes with.
  [[nodiscard]] std::uint64_t steps() const noexcept { return steps_; }
  void set_steps(std::uint64_t steps) noexcept { steps_ = steps; }
  [[nodiscard]] std::vector<Moments>& moments() noexcept { return moments_; }
  [[nodiscard]] const std::vector<Moments>& moments() const noexcept { return moments_; }

 private:
  static float correction(float beta, double t) {
    return static_cast<float>(1.0 / (1.0 - std::pow(static_cast<double>(beta), t)));
  }

  Parameters<Device>* parameters_;
  AdamWOptions options_;
  std::vector<Moments> moments_;
  std::uint64_t steps_ = 0;
};

}  // namespace gpt
