// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The arithmetic of a gradient's scale, for hosts and devices.

#include <cstdint>
#include <limits>

namespace reprise::inline v0 {

/// What the squared norm of gradients that are `loss_scale * micro_batches` times as large is
/// multiplied by: the same bits wherever it is computed.
///
/// It throws nothing, because a device cannot: it is a quiet NaN for a loss scale that is not
/// finite and above zero, for no micro-batch, and where it is no normal double.
[[nodiscard]] constexpr double squared_norm_factor(double loss_scale,
                                                   std::uint64_t micro_batches) noexcept {
  using Limits = std::numeric_limits<double>;
  if (!(loss_scale > 0.0 && loss_scale <= Limits::max()) || micro_batches == 0) {
    return Limits::quiet_NaN();
  }
  const double scale = 1.0 / (loss_scale * static_cast<double>(micro_batches));
  const double factor = scale * scale;
  return factor >= Limits::min() && factor <= Limits::max() ? factor : Limits::quiet_NaN();
}

}  // namespace reprise::inline v0
