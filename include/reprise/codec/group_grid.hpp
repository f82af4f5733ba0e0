// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a group of elements has in common, in 32 bits: its smallest element and its range.

#include <bit>
#include <cstdint>
#include <reprise/backend/bfloat16.hpp>
#include <reprise/backend/float16.hpp>

namespace reprise::inline v0::codes {

/// The neighbour of a 16-bit float towards minus infinity.
template <class Half>
[[nodiscard]] constexpr Half next_below(Half number) noexcept {
  if ((number.bits & 0x7FFFU) == 0) return {0x8001U};
  const bool is_negative = (number.bits & 0x8000U) != 0;
  return {static_cast<std::uint16_t>(is_negative ? number.bits + 1U : number.bits - 1U)};
}

/// The largest 16-bit float that is not above.
template <class Half>
[[nodiscard]] constexpr Half rounded_down(double value) noexcept {
  const Half near = Half::from_float(static_cast<float>(value));
  return static_cast<double>(static_cast<float>(near)) > value ? next_below(near) : near;
}

/// The smallest 16-bit float that is not below a positive number.
template <class Half>
[[nodiscard]] constexpr Half rounded_up(double value) noexcept {
  const Half near = Half::from_float(static_cast<float>(value));
  const bool is_below = static_cast<double>(static_cast<float>(near)) < value;
  return is_below ? Half{static_cast<std::uint16_t>(near.bits + 1U)} : near;
}

/// The grid of a group: `zero + step * code`, in 32 bits.
///
/// - Ordinary: two halves, the zero point rounded down and the range rounded up, so that no element
///   lies outside.
/// - Wide, where halves end (numbers above 65,504, and ranges below 2^-14 if that is narrower): two
///   bfloat16, times 2 and times 4, so that the ranges of all finite floats have a place. The
///   range's sign bit says so.
/// - Constant, where the range is zero: the value lies where codes would.
class GroupGrid {
 public:
  constexpr GroupGrid() noexcept = default;

  /// What its bits say; any bits do.
  constexpr GroupGrid(std::uint32_t bits, std::uint32_t levels) noexcept : bits_(bits) {
    const auto low = static_cast<std::uint16_t>(bits & 0xFFFFU);
    const auto high = static_cast<std::uint16_t>((bits >> 16U) & 0x7FFFU);
    double range = 0;
    if (is_wide()) {
      zero_ = 2.0 * static_cast<double>(static_cast<float>(bfloat16{low}));
      range = 4.0 * static_cast<double>(static_cast<float>(bfloat16{high}));
    } else {
      zero_ = static_cast<double>(static_cast<float>(float16{low}));
      range = static_cast<double>(static_cast<float>(float16{high}));
    }
    step_ = short_step(range / levels);
  }

  /// The grid of elements between two finite numbers, of which one is larger.
  [[nodiscard]] static constexpr GroupGrid covering(float lowest, float highest,
                                                    std::uint32_t levels) noexcept {
    const double low = static_cast<double>(lowest) + 0.0;  // no negative zero
    const auto high = static_cast<double>(highest);
    const auto zero = rounded_down<float16>(low);
    const auto range = rounded_up<float16>(high - static_cast<double>(static_cast<float>(zero)));
    const bool fits = (zero.bits & 0x7C00U) != 0x7C00U && range.bits < 0x7C00U;
    const GroupGrid ordinary(pattern(zero.bits, range.bits), levels);
    if (fits && range.bits >= 0x0400U) return ordinary;

    const auto wide_zero = rounded_down<bfloat16>(low * 0.5);
    const double covered = high - 2.0 * static_cast<double>(static_cast<float>(wide_zero));
    const auto wide_range = rounded_up<bfloat16>(covered * 0.25);
    const GroupGrid wide(pattern(wide_zero.bits, wide_range.bits | 0x8000U), levels);
    return fits && ordinary.step() <= wide.step() ? ordinary : wide;
  }

  /// The grid of equal elements.
  [[nodiscard]] static constexpr GroupGrid constant() noexcept { return {}; }

  /// As it is kept.
  [[nodiscard]] constexpr std::uint32_t bits() const noexcept { return bits_; }
  /// Whether all elements are the same.
  [[nodiscard]] constexpr bool is_constant() const noexcept { return (bits_ & 0x7FFF'0000U) == 0; }
  /// Whether halves are too narrow for it.
  [[nodiscard]] constexpr bool is_wide() const noexcept { return (bits_ & 0x8000'0000U) != 0; }
  /// What code 0 stands for.
  [[nodiscard]] constexpr double zero() const noexcept { return zero_; }
  /// From code to code: of 15 significant bits, so that its product with a code is exact in float
  /// and no contraction with the addition behind it changes a bit.
  [[nodiscard]] constexpr double step() const noexcept { return step_; }

 private:
  [[nodiscard]] static constexpr std::uint32_t pattern(std::uint32_t low,
                                                       std::uint32_t high) noexcept {
    return low | (high << 16U);
  }
  [[nodiscard]] static constexpr double short_step(double step) noexcept {
    constexpr std::uint64_t rest = (std::uint64_t{1} << (52U - 14U)) - 1U;
    return std::bit_cast<double>((std::bit_cast<std::uint64_t>(step) + rest) & ~rest);
  }

  std::uint32_t bits_ = 0;
  double zero_ = 0;
  double step_ = 0;
};

}  // namespace reprise::inline v0::codes
