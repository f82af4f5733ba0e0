// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The upper half of a float as a type of its own, with its conversions.

#include <bit>
#include <cstdint>

namespace reprise::inline v0 {

/// A bfloat16 number, stored as its bit pattern (1 sign, 8 exponent, 7 fraction bits: the upper
/// half of a float); it has the size, alignment and representation of `__nv_bfloat16` and PyTorch's
/// `bfloat16`.
struct bfloat16 {
  std::uint16_t bits;  ///< the upper half of the float's

  /// The value, exactly, NaNs and subnormals included.
  [[nodiscard]] constexpr explicit operator float() const noexcept {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
  }

  /// The nearest bfloat16, ties to even; what is too large becomes an infinity, NaNs become quiet.
  [[nodiscard]] static constexpr bfloat16 from_float(float value) noexcept {
    const auto pattern = std::bit_cast<std::uint32_t>(value);
    const bool is_nan = (pattern & 0x7FFFFFFFU) > 0x7F800000U;
    const std::uint32_t rounded = pattern + 0x7FFFU + ((pattern >> 16U) & 1U);
    return {static_cast<std::uint16_t>(is_nan ? (pattern >> 16U) | 0x0040U : rounded >> 16U)};
  }
};

static_assert(sizeof(bfloat16) == 2 && alignof(bfloat16) == 2);

}  // namespace reprise::inline v0
