// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

/// @file
/// What the policies of the demo minimise.

#pragma once

#include <reprise/program/cost/cost_model.hpp>

#include "options.hpp"

namespace gpt {

/// Seconds, by the device's clock where it has one; or FLOPs.
template <class Device>
[[nodiscard]] reprise::CostModel cost_model(const Options& options, Device& device) {
  if (options.counts_flops) return reprise::Flops{};
  if constexpr (requires { device.operation_clock(); }) {
    return reprise::MeasuredTime{.samples = options.cost_samples,
                                 .clock = reprise::AnyOperationClock(device.operation_clock())};
  } else {
    return reprise::MeasuredTime{.samples = options.cost_samples};
  }
}

}  // namespace gpt
