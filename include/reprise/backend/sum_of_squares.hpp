// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The sum of squares of one run of elements, in one fixed order: what host backends build upon.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <reprise/backend/element_type.hpp>
#include <reprise/backend/sum_of_squares_avx2.hpp>
#include <type_traits>

#if defined(__GNUC__) && !defined(__clang__)
// GCC's -O2 would leave the lanes in memory between two rounds.
#define REPRISE_UNROLL _Pragma("GCC unroll 8")
#ifdef __CUDACC__  // nvcc hands the pragma on to GCC, but not without a warning
#pragma nv_diagnostic push
#pragma nv_diag_suppress 1675
#endif
#else
#define REPRISE_UNROLL
#endif
#if defined(__GNUC__) || defined(__clang__)
// Kept out of line so that every backend and every call runs the same instructions: inlined into
// different loops, the compiler could contract a multiplication and an addition here and not there.
#define REPRISE_OUT_OF_LINE [[gnu::noinline]]
// Into the second level: the first is too small for what is on its way (measured, with the first
// level 5 to 20 % of the bandwidth are lost).
#define REPRISE_PREFETCH(address) __builtin_prefetch(reinterpret_cast<const void*>(address), 0, 2)
#else
#define REPRISE_OUT_OF_LINE
#define REPRISE_PREFETCH(address) static_cast<void>(address)
#endif

namespace reprise::inline v0 {

/// Which instructions `sum_of_squares` takes; the bits of its result are the same.
enum class Instructions : std::uint8_t {
  of_build,   ///< those that the compiler was told to use
  of_machine  ///< wider ones too, where the machine has them
};

/// The sum of the squares of `size` elements at `data`, accumulated in double.
///
/// Eight lanes take the elements in turn and are added up at the end, then what is left of the last
/// 64 bytes; so the order of the additions depends on `size` alone: the result is the same on each
/// call, thread and backend of one build. Infinities and NaNs come through. Squares of float,
/// float16 and bfloat16 are exact in double; the relative error of the sum is below
/// `size / 8 + 40` times 2^-53.
///
/// One pass, linear, limited by memory: it asks for data 4 KiB ahead, because the converting
/// arithmetic keeps the processor from running far enough ahead of its loads by itself (measured on
/// a Sapphire Rapids core: from half of a plain read's bandwidth to all of it).
template <Element T, Instructions I = Instructions::of_machine>
REPRISE_OUT_OF_LINE double sum_of_squares(const void* data, std::size_t size) noexcept {
  constexpr std::size_t lanes = 8;
  constexpr std::size_t line_bytes = 64;
  constexpr std::size_t line = line_bytes / sizeof(T);
  constexpr std::uintptr_t prefetch_bytes = 4096;
  std::array<double, lanes> sums{};
  const auto* const bytes = static_cast<const std::byte*>(data);
  const auto element = [bytes](std::size_t index) {
    T value;  // copied, not dereferenced: the engine's half may be a type of its own
    std::memcpy(&value, bytes + index * sizeof(T), sizeof(T));
    return value;
  };
  std::size_t at = 0;
  if constexpr (sizeof(T) == 2 && I == Instructions::of_machine) {
    if (avx2::is_available()) {
      at = size / line * line;
      sums = avx2::sum_of_lines<std::remove_cv_t<T>>(bytes, size / line);
    }
  }
  for (; at + line <= size; at += line) {
    // As an integer: the address may lie behind the tensor, where a pointer may not.
    REPRISE_PREFETCH(reinterpret_cast<std::uintptr_t>(bytes + at * sizeof(T)) + prefetch_bytes);
    if constexpr (sizeof(T) == 2) {
      // In two steps, which vectorise where one from sixteen bits to a double's sum does not.
      std::array<float, line> values;
      for (std::size_t i = 0; i < line; ++i) values[i] = static_cast<float>(element(at + i));
      REPRISE_UNROLL
      for (std::size_t group = 0; group < line; group += lanes) {
        REPRISE_UNROLL
        for (std::size_t lane = 0; lane < lanes; ++lane) {
          const double value = values[group + lane];
          sums[lane] += value * value;
        }
      }
    } else {
      REPRISE_UNROLL
      for (std::size_t group = 0; group < line; group += lanes) {
        REPRISE_UNROLL
        for (std::size_t lane = 0; lane < lanes; ++lane) {
          const double value = element(at + group + lane);
          sums[lane] += value * value;
        }
      }
    }
  }
  // One lane after the other: pairs would be as good, but then GCC 12 keeps the lanes of the loop
  // above in scalar registers. For the same reason no lane is chosen at run time here.
  double total = 0;
  for (const double sum : sums) total += sum;
  for (; at < size; ++at) {
    double value = 0;
    if constexpr (sizeof(T) == 2) {
      value = static_cast<float>(element(at));
    } else {
      value = element(at);
    }
    total += value * value;
  }
  return total;
}

#if defined(__CUDACC__) && defined(__GNUC__) && !defined(__clang__)
#pragma nv_diagnostic pop
#endif
#undef REPRISE_OUT_OF_LINE
#undef REPRISE_PREFETCH
#undef REPRISE_UNROLL

}  // namespace reprise::inline v0
