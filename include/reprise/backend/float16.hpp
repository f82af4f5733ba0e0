// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Half precision as sixteen bits, with its conversions.

#include <bit>
#include <cstdint>

namespace reprise::inline v0 {

/// An IEEE 754 binary16 number, stored as its bit pattern (1 sign, 5 exponent, 10 fraction bits);
/// it has the size, alignment and representation of `_Float16`, `__half` and numpy's `float16`, so
/// that an engine's own half type may be viewed as this one.
struct float16 {
  std::uint16_t bits;  ///< sign, exponent and fraction, from the top

  /// The value, exactly; NaNs keep their sign and payload. Free of branches, and no subnormal float
  /// arises on the way, so that an engine that flushes those to zero changes nothing.
  [[nodiscard]] constexpr explicit operator float() const noexcept {
    constexpr std::uint32_t exponent_mask = 0x0F800000U;  // the half's exponent, moved to a float's
    constexpr std::uint32_t rebias = 112U << 23U;         // 127 - 15
    const std::uint32_t shifted = (bits & 0x7FFFU) << 13U;
    const std::uint32_t exponent = shifted & exponent_mask;
    // Infinities and NaNs have all exponent bits set on both sides, which takes the bias twice.
    const std::uint32_t normal = shifted + rebias + (rebias & mask_if(exponent == exponent_mask));
    // A subnormal is m * 2^-24: put m behind a leading one at 2^-14 and take that one away again.
    constexpr std::uint32_t one = 113U << 23U;
    const auto subnormal = std::bit_cast<std::uint32_t>(std::bit_cast<float>(shifted + one) -
                                                        std::bit_cast<float>(one));
    const std::uint32_t is_subnormal = mask_if(exponent == 0U);
    const std::uint32_t magnitude = (subnormal & is_subnormal) | (normal & ~is_subnormal);
    return std::bit_cast<float>(magnitude | ((bits & 0x8000U) << 16U));
  }

  /// The nearest half, ties to even; what is too large becomes an infinity, NaNs become quiet.
  [[nodiscard]] static constexpr float16 from_float(float value) noexcept {
    const auto pattern = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = (pattern >> 16U) & 0x8000U;
    std::uint32_t magnitude = pattern & 0x7FFFFFFFU;
    std::uint32_t half = 0;
    if (magnitude > 0x7F800000U) {
      half = 0x7E00U | ((magnitude >> 13U) & 0x03FFU);
    } else if (magnitude < 0x38800000U) {  // below 2^-14: a multiple of 2^-24, which is 0.5's ulp
      half = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) -
             std::bit_cast<std::uint32_t>(0.5F);
    } else {
      magnitude += 0x0FFFU + ((magnitude >> 13U) & 1U);
      half = magnitude >= 0x47800000U ? 0x7C00U : (magnitude - (112U << 23U)) >> 13U;
    }
    return {static_cast<std::uint16_t>(sign | half)};
  }

 private:
  // A mask instead of a conditional: compilers turn the latter into branches, which do not
  // vectorise.
  static constexpr std::uint32_t mask_if(bool condition) noexcept {
    return 0U - static_cast<std::uint32_t>(condition);
  }
};

static_assert(sizeof(float16) == 2 && alignof(float16) == 2);

}  // namespace reprise::inline v0
