// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The noise of stochastic rounding: sixteen bits an element.

#include <array>
#include <cstddef>
#include <cstdint>
#include <reprise/backend/instruction_set.hpp>
#include <reprise/core/philox.hpp>

namespace reprise::inline v0::codes {

/// Sixteen random bits for each element of a group, from 64 bits of the stream.
///
/// Philox gives a group its key, at a place that depends on the group's number alone; a hash of the
/// key and the element's number in the group gives the bits. For a fixed element the hash takes
/// keys one to one, so that over streams each of its 2^16 values is equally likely, exactly. Philox
/// for each element would take most of the time of encoding.
struct GroupNoise {
  std::uint32_t offset = 0;  ///< where the group starts to count
  std::uint32_t twist = 0;   ///< what comes in halfway

  /// Elements that 16 words are for: word m is for element m and, from its upper half, m + 16.
  static constexpr std::size_t stride = 32;

  /// The word with number `c`, for two elements.
  [[nodiscard]] constexpr std::uint32_t word(std::uint32_t c) const noexcept {
    std::uint32_t x = offset + c * step;
    x = (x ^ (x >> 16U)) * first_factor;
    x = ((x ^ (x >> 15U)) + twist) * second_factor;
    return x ^ (x >> 16U);
  }

  /// Of the element with a number within its group: in [0, 65535].
  [[nodiscard]] constexpr std::uint32_t operator()(std::size_t element) const noexcept {
    const std::size_t place = element % stride;
    const std::uint32_t both = word(static_cast<std::uint32_t>(element / stride * 16 + place % 16));
    return place < 16 ? both & 0xFFFFU : both >> 16U;
  }

  /// The same for 32 elements from `block * 32` on, in order.
  template <std::size_t W>
  [[gnu::always_inline]] void block(
      std::uint32_t block,
      std::array<instruction_sets::Vector<std::uint32_t, W>, stride / W>& out) const noexcept {
    using Words = instruction_sets::Vector<std::uint32_t, W>;
    for (std::size_t half = 0; half < 16; half += W) {
      Words x{};
      for (std::size_t lane = 0; lane < W; ++lane) {
        x[lane] = static_cast<std::uint32_t>(half + lane) * step;
      }
      x += offset + block * 16U * step;
      x = (x ^ (x >> 16U)) * first_factor;
      x = ((x ^ (x >> 15U)) + twist) * second_factor;
      x = x ^ (x >> 16U);
      out[half / W] = x & 0xFFFFU;
      out[(16 + half) / W] = x >> 16U;
    }
  }

 private:
  static constexpr std::uint32_t step = 0x9E3779B9U;
  static constexpr std::uint32_t first_factor = 0x7FEB352DU;
  static constexpr std::uint32_t second_factor = 0x846CA68BU;
};

/// Two independent noises of a group.
[[nodiscard]] constexpr std::array<GroupNoise, 2> group_noises(const Philox& stream,
                                                               std::uint64_t group) noexcept {
  const Philox::block_type words = stream.block(2 * group);
  return {GroupNoise{words[0], words[1]}, GroupNoise{words[2], words[3]}};
}

/// The noise of a group's coins, independent of the others.
[[nodiscard]] constexpr GroupNoise group_coins(const Philox& stream, std::uint64_t group) noexcept {
  const Philox::block_type words = stream.block(2 * group + 1);
  return {words[0], words[1]};
}

}  // namespace reprise::inline v0::codes
