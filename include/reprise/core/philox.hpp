// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A counter-based random stream: any element of it in any order, the same in every replay.

#include <array>
#include <cstdint>

namespace reprise::inline v0 {

/// Philox4x32-10: a random function of (key, counter), with no state to save or restore.
///
/// Constant time an element, so that parallel kernels draw element i without the ones before it.
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
class Philox {
 public:
  /// What one call of the function gives: 128 bits.
  using block_type = std::array<std::uint32_t, 4>;

  constexpr Philox() noexcept = default;

  /// A stream named by a 64-bit key and a 64-bit stream number.
  constexpr Philox(std::uint64_t key, std::uint64_t stream) noexcept : key_(key), stream_(stream) {}

  /// Four random words: the block with number `index` of this stream.
  [[nodiscard]] constexpr block_type block(std::uint64_t index) const noexcept {
    block_type counter{low(index), high(index), low(stream_), high(stream_)};
    std::uint32_t key_low = low(key_);
    std::uint32_t key_high = high(key_);
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t first = std::uint64_t{0xD2511F53U} * counter[0];
      const std::uint64_t second = std::uint64_t{0xCD9E8D57U} * counter[2];
      counter = {high(second) ^ counter[1] ^ key_low, low(second),
                 high(first) ^ counter[3] ^ key_high, low(first)};
      key_low += 0x9E3779B9U;
      key_high += 0xBB67AE85U;
    }
    return counter;
  }

  /// The random word with number `index` of this stream.
  [[nodiscard]] constexpr std::uint32_t bits(std::uint64_t index) const noexcept {
    return block(index / 4)[index % 4];
  }

  /// A float in [0, 1) with 24 random bits: element `index` of this stream.
  [[nodiscard]] constexpr float uniform(std::uint64_t index) const noexcept {
    return static_cast<float>(bits(index) >> 8U) * 0x1p-24F;
  }

 private:
  static constexpr std::uint32_t low(std::uint64_t word) noexcept {
    return static_cast<std::uint32_t>(word);
  }
  static constexpr std::uint32_t high(std::uint64_t word) noexcept {
    return static_cast<std::uint32_t>(word >> 32U);
  }

  std::uint64_t key_ = 0;
  std::uint64_t stream_ = 0;
};

}  // namespace reprise::inline v0
