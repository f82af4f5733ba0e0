// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How the codes of a group lie in its bytes.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <reprise/backend/instruction_set.hpp>

namespace reprise::inline v0::codes {

/// Codes of `Width` bits, `Group` of them, in `Group * Width / 8` bytes.
///
/// The bits of a code are cut into planes of 8, 4, 2 and 1 bits, the widest first and lowest: of
/// width 5, planes of 4 and of 1. A plane's codes lie in eight columns of words, code i in column i
/// mod 8, and in a column from the lowest bits of the first word on. So neither packing nor
/// unpacking moves anything across the lanes of a register, and widths like 3 cost no more than
/// their bits.
template <std::size_t Width, std::size_t Group>
requires(Width >= 1 && Width <= 15 && (Group == 128 || Group == 256)) struct CodePlanes {
  /// What they take.
  static constexpr std::size_t bytes = Group * Width / 8;

  /// The codes of W lanes.
  template <std::size_t W>
  using Words = instruction_sets::Vector<std::uint32_t, W>;

  /// Writes them to any address.
  template <std::size_t W>
  [[gnu::always_inline]] static void pack(const std::array<Words<W>, Group / W>& codes,
                                          std::byte* to) noexcept {
    pack_plane<W, 8>(codes, to);
    pack_plane<W, 4>(codes, to);
    pack_plane<W, 2>(codes, to);
    pack_plane<W, 1>(codes, to);
  }

  /// `codes` becomes those from `at * W` on.
  template <std::size_t W>
  [[gnu::always_inline]] static void unpack(const std::byte* from, std::size_t at,
                                            Words<W>& codes) noexcept {
    codes = Words<W>{};
    unpack_plane<W, 8>(from, at, codes);
    unpack_plane<W, 4>(from, at, codes);
    unpack_plane<W, 2>(from, at, codes);
    unpack_plane<W, 1>(from, at, codes);
  }

  /// The code with a number, alone.
  [[nodiscard]] static std::uint32_t at(const std::byte* from, std::size_t i) noexcept {
    Words<8> codes;
    unpack<8>(from, i / 8, codes);
    return codes[i % 8];
  }

 private:
  static constexpr std::size_t columns = 8;
  static constexpr std::size_t rows = Group / columns;

  template <std::size_t Plane>
  static constexpr std::size_t bits_before = Width & ~(2 * Plane - 1);
  template <std::size_t Plane>
  static constexpr std::size_t word_bits = rows* Plane < 32 ? rows* Plane : 32;
  template <std::size_t Plane>
  static constexpr std::size_t codes_of_word = word_bits<Plane> / Plane;
  template <std::size_t Plane>
  static constexpr std::size_t words_of_column = rows / codes_of_word<Plane>;
  template <std::size_t Plane>
  static constexpr std::size_t row_bytes = columns* word_bits<Plane> / 8;

  // How far row `row` and those of a register's upper lanes lie from the lowest bit of their word.
  template <std::size_t W, std::size_t Plane>
  [[gnu::always_inline]] static void shifts_of(std::size_t row, Words<W>& shifts) noexcept {
    for (std::size_t lane = 0; lane < W; ++lane) {
      shifts[lane] = static_cast<std::uint32_t>(lane / columns * Plane);
    }
    shifts += static_cast<std::uint32_t>(row % codes_of_word<Plane> * Plane);
  }

  template <std::size_t W, std::size_t Plane>
  [[gnu::always_inline]] static void pack_plane(const std::array<Words<W>, Group / W>& codes,
                                                std::byte* to) noexcept {
    if constexpr ((Width & Plane) != 0) {
      constexpr std::size_t registers = codes_of_word<Plane> * columns / W;
      to += Group / 8 * bits_before<Plane>;
#if defined(__GNUC__) && !defined(__clang__) && !defined(__CUDACC__)
#pragma GCC unroll 8
#endif
      for (std::size_t word = 0; word < words_of_column<Plane>; ++word) {
        Words<W> sum{};
#if defined(__clang__)
#pragma clang loop unroll(full)
#elif !defined(__CUDACC__)
#pragma GCC unroll 32
#endif
        for (std::size_t i = 0; i < registers; ++i) {
          Words<W> part = codes[word * registers + i];
          if constexpr (bits_before<Plane> != 0) part >>= bits_before<Plane>;
          if constexpr (bits_before<Plane> + Plane != Width) part &= (1U << Plane) - 1U;
          Words<W> shifts;
          shifts_of<W, Plane>(i * (W / columns), shifts);
          sum |= part << shifts;
        }
        store_columns<W, Plane>(sum, to + word * row_bytes<Plane>);
      }
    }
  }

  template <std::size_t W, std::size_t Plane>
  [[gnu::always_inline]] static void store_columns(const Words<W>& sum, std::byte* to) noexcept {
    Words<columns> folded;
    if constexpr (W == columns) {
      folded = sum;
    } else {
      const Words<columns> low = __builtin_shufflevector(sum, sum, 0, 1, 2, 3, 4, 5, 6, 7);
      const Words<columns> high = __builtin_shufflevector(sum, sum, 8, 9, 10, 11, 12, 13, 14, 15);
      folded = low | high;
    }
    if constexpr (word_bits<Plane> == 32) {
      std::memcpy(to, &folded, sizeof(folded));
    } else {
      const auto halves =
          __builtin_convertvector(folded, instruction_sets::Vector<std::uint16_t, columns>);
      std::memcpy(to, &halves, sizeof(halves));
    }
  }

  template <std::size_t W, std::size_t Plane>
  [[gnu::always_inline]] static void unpack_plane(const std::byte* from, std::size_t at,
                                                  Words<W>& codes) noexcept {
    if constexpr ((Width & Plane) != 0) {
      const std::size_t row = at * (W / columns);
      const std::byte* const words =
          from + Group / 8 * bits_before<Plane> + row / codes_of_word<Plane> * row_bytes<Plane>;
      Words<W> part;
      load_columns<W, Plane>(words, part);
      Words<W> shifts;
      shifts_of<W, Plane>(row, shifts);
      part = (part >> shifts) & ((1U << Plane) - 1U);
      codes |= part << bits_before<Plane>;
    }
  }

  template <std::size_t W, std::size_t Plane>
  [[gnu::always_inline]] static void load_columns(const std::byte* from, Words<W>& words) noexcept {
    Words<columns> column;
    if constexpr (word_bits<Plane> == 32) {
      std::memcpy(&column, from, sizeof(column));
    } else {
      instruction_sets::Vector<std::uint16_t, columns> halves;
      std::memcpy(&halves, from, sizeof(halves));
      column = __builtin_convertvector(halves, Words<columns>);
    }
    if constexpr (W == columns) {
      words = column;
    } else {
      words =
          __builtin_shufflevector(column, column, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7);
    }
  }
};

/// The codes of a group that is not full: one behind the other, from the lowest bit of the first
/// byte on.
template <std::size_t Width>
struct CodeRow {
  /// What so many take.
  [[nodiscard]] static constexpr std::size_t bytes(std::size_t count) noexcept {
    return (count * Width + 7) / 8;
  }
  /// Puts down one; the bytes must have been zero.
  static constexpr void put(std::byte* to, std::size_t i, std::uint32_t code) noexcept {
    for (std::size_t bit = 0; bit < Width; ++bit) {
      const std::size_t at = i * Width + bit;
      to[at / 8] |= static_cast<std::byte>(((code >> bit) & 1U) << (at % 8));
    }
  }
  /// Takes up one.
  [[nodiscard]] static constexpr std::uint32_t at(const std::byte* from, std::size_t i) noexcept {
    std::uint32_t code = 0;
    for (std::size_t bit = 0; bit < Width; ++bit) {
      const std::size_t at = i * Width + bit;
      code |= ((static_cast<std::uint32_t>(from[at / 8]) >> (at % 8)) & 1U) << bit;
    }
    return code;
  }
};

}  // namespace reprise::inline v0::codes
