// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A loss scale that the backend reads where it lies.

#include <cstdint>
#include <limits>
#include <reprise/backend/squared_norm_factor.hpp>
#include <reprise/core/error.hpp>
#include <string>

namespace reprise::inline v0 {

/// What the gradients in memory carry beyond the step's own, as GradientScale, but with a loss
/// scale that the backend reads where it lies and in its own order of work, when it folds the step:
/// a mixed-precision trainer keeps it on the device, and a graph that is launched again must see
/// what it is by then.
struct DeviceLossScale {
  /// What the loss was multiplied by before backward: one float in the backend's memory, borrowed.
  const float* loss_scale = nullptr;
  /// How many micro-batches were *added* into the gradients and not averaged; at least 1.
  std::uint64_t micro_batches = 1;

  /// What squared norms are multiplied by if the loss scale that was read is this one: the bits of
  /// GradientScale, and a quiet NaN for one that no step has: not finite, zero or below, or below
  /// the smallest normal float, which some machines take for zero. Constant.
  [[nodiscard]] constexpr double squared_norm_factor(float read) const noexcept {
    if (!(read >= std::numeric_limits<float>::min())) {
      return std::numeric_limits<double>::quiet_NaN();
    }
    return reprise::squared_norm_factor(read, micro_batches);
  }

  /// Reads the loss scale: what squared norms are multiplied by now. Models NormFactor; only for
  /// who can read that memory.
  [[nodiscard]] constexpr double operator()() const noexcept {
    return squared_norm_factor(*loss_scale);
  }
};

/// Refuses the place of a loss scale when it is registered.
/// @throws InvalidArgument always
[[noreturn]] inline void refuse_scale(const std::string& why) {
  throw InvalidArgument("DeviceLossScale: " + why);
}

/// Checks what can be known of a scale without reading it; backends call it when its place is
/// registered, so that no step has to. Constant.
/// @throws InvalidArgument for a null pointer, one that is not aligned to a float, and for no
///         micro-batch.
inline void check_scale(const DeviceLossScale& scale) {
  if (scale.loss_scale == nullptr) refuse_scale("the pointer to the loss scale is null");
  if (reinterpret_cast<std::uintptr_t>(scale.loss_scale) % alignof(float) != 0) {
    refuse_scale("the address of the loss scale is not a multiple of a float's " +
                 std::to_string(alignof(float)) + " bytes");
  }
  if (scale.micro_batches == 0) refuse_scale("0 micro-batches, at least 1 is due");
}

}  // namespace reprise::inline v0
