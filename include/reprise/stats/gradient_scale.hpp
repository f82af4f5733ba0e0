// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What the gradients in memory are multiplied by.

#include <cmath>
#include <cstdint>
#include <reprise/backend/squared_norm_factor.hpp>
#include <reprise/core/error.hpp>
#include <string>

namespace reprise::inline v0 {

/// What the gradients in memory carry beyond the step's own: they are `loss_scale * micro_batches`
/// times as large. The statistics divide by its square.
struct GradientScale {
  /// What the loss was multiplied by before backward (mixed precision); finite and above zero. 1
  /// for a tracker that reads it from memory.
  double loss_scale = 1.0;
  /// How many micro-batches were *added* into the gradients and not averaged; at least 1. An engine
  /// that divides each micro-batch's loss by their number leaves it at 1.
  std::uint64_t micro_batches = 1;

  /// What a squared norm is multiplied by.
  /// @throws InvalidArgument for a loss scale that is not finite and above zero or whose square no
  ///         double holds, and for no micro-batch.
  [[nodiscard]] double squared_norm_factor() const {
    if (!std::isfinite(loss_scale) || loss_scale <= 0.0) {
      throw InvalidArgument("GradientScale: the loss scale is " + std::to_string(loss_scale) +
                            ", which is not finite and above zero");
    }
    if (micro_batches == 0) {
      throw InvalidArgument("GradientScale: 0 micro-batches, at least 1 is due");
    }
    const double factor = reprise::squared_norm_factor(loss_scale, micro_batches);
    if (std::isnan(factor)) {
      throw InvalidArgument("GradientScale: the square of the loss scale, " +
                            std::to_string(loss_scale) + ", is outside the range of a double");
    }
    return factor;
  }
};

}  // namespace reprise::inline v0
