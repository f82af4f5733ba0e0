// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The inner loop of the sum of squares: short runs in float, runs in double.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <reprise/backend/element_type.hpp>
#include <reprise/backend/instruction_set.hpp>
#include <type_traits>

namespace reprise::inline v0::squares {

using instruction_sets::InstructionSet;
using instruction_sets::Vector;

/// Squares of elements of type T are rounded to, and added in a run, as these.
template <Element T>
using Square = std::conditional_t<std::is_same_v<T, double>, double, float>;

/// Rows of 64 bytes whose squares are added before they become doubles.
inline constexpr std::size_t rows_of_run = 8;

/// Bytes of a row.
inline constexpr std::size_t row_bytes = 64;

/// The sum of the squares of `size` elements, each multiplied by `scale` first if `Scaled`; see
/// `sum_of_squares` for the order, which depends on neither the instructions nor the address.
///
/// A function object, so that `InstructionSet::run` can compile it for the instructions.
template <Element T, InstructionSet I, bool Scaled>
struct SumOfRuns {
  const std::byte* data;  ///< at any address
  std::size_t size;       ///< in elements
  Square<T> scale = 1;    ///< a power of two

  /// The sum.
  [[gnu::always_inline]] double operator()() const noexcept {
    constexpr std::size_t run_bytes = rows_of_run * row_bytes;
    Totals totals{};
    const std::byte* run = data;
    std::size_t left = size * sizeof(T);
    for (; left >= run_bytes; left -= run_bytes, run += run_bytes) add_run(totals, run);
    if (left > 0) {
      std::array<std::byte, run_bytes> last{};  // filled up with zeros, which add nothing
      std::memcpy(last.data(), run, left);
      add_run(totals, last.data());
    }
    std::array<double, total_lanes> lanes;
    std::memcpy(&lanes, &totals, sizeof(lanes));
    double sum = 0;
    for (const double lane : lanes) sum += lane;
    return sum;
  }

 private:
  using Number = Square<T>;
  static constexpr std::size_t total_lanes = 8;
  static constexpr std::size_t run_lanes = row_bytes / sizeof(Number);
  static constexpr std::size_t width = I::template lanes<Number>;
  static constexpr std::size_t total_width = I::template lanes<double>;
  using Numbers = Vector<Number, width>;
  using Totals = std::array<Vector<double, total_width>, total_lanes / total_width>;

  template <class To, class From>
  [[gnu::always_inline]] static void copy(To& to, const From* from) noexcept {
    std::memcpy(&to, from, sizeof(To));
  }

  // Rounded by itself on every machine: contracted with an addition behind it, it would be not.
  [[gnu::always_inline]] void square(Numbers& x) const noexcept {
#if defined(__clang__)
#pragma clang fp contract(off)
#endif
    if constexpr (Scaled) x *= scale;
    x *= x;
#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__)
#ifdef __FMA__
    constexpr bool may_contract = true;
#else
    constexpr bool may_contract = width > 1;
#endif
    if constexpr (may_contract) asm("" : "+v"(x));  // the only way that GCC leaves to a function
#endif
  }

  // What follows takes the lanes of one register: `lane` and those behind it.

  [[gnu::always_inline]] void sum_of_row(Numbers& sum, const std::byte* row,
                                         std::size_t lane) const noexcept {
    if constexpr (std::is_same_v<T, float16>) {
      Numbers second;
      I::widen(sum, row + lane * sizeof(T));
      I::widen(second, row + row_bytes / 2 + lane * sizeof(T));
      square(sum);
      square(second);
      sum += second;
    } else if constexpr (std::is_same_v<T, bfloat16>) {
      Vector<std::uint32_t, width> pairs;  // of neighbours: a float's upper half is a bfloat16
      copy(pairs, row + lane * sizeof(float));
      const Vector<std::uint32_t, width> first = pairs << 16U;
      const Vector<std::uint32_t, width> other = pairs & 0xFFFF'0000U;
      Numbers second;
      copy(sum, &first);
      copy(second, &other);
      square(sum);
      square(second);
      sum += second;
    } else {
      copy(sum, row + lane * sizeof(T));
      square(sum);
    }
  }

  template <std::size_t Rows>
  [[gnu::always_inline]] void sum_of_rows(Numbers& sum, const std::byte* row,
                                          std::size_t lane) const noexcept {
    if constexpr (Rows == 1) {
      sum_of_row(sum, row, lane);
    } else {
      Numbers second;
      sum_of_rows<Rows / 2>(sum, row, lane);
      sum_of_rows<Rows / 2>(second, row + Rows / 2 * row_bytes, lane);
      sum += second;
    }
  }

  [[gnu::always_inline]] void add_run(Totals& totals, const std::byte* run) const noexcept {
    std::array<Number, run_lanes> sums;
    for (std::size_t lane = 0; lane < run_lanes; lane += width) {
      Numbers sum;
      sum_of_rows<rows_of_run>(sum, run, lane);
      std::memcpy(&sums[lane], &sum, sizeof(sum));
    }
    for (std::size_t lane = 0; lane < run_lanes; lane += total_width) {
      Vector<Number, total_width> sum;
      copy(sum, &sums[lane]);
      auto& total = totals[lane % total_lanes / total_width];
      if constexpr (total_width == 1) {
        total += sum;
      } else {
        total += __builtin_convertvector(sum, Vector<double, total_width>);
      }
    }
  }
};

}  // namespace reprise::inline v0::squares
