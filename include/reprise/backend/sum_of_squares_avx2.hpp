// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The inner loop of the sum of squares over halves, in instructions that an x86-64 processor has
/// but a compiler may not assume unless told: chosen when the program runs.

#include <array>
#include <cstddef>
#include <cstdint>
#include <reprise/backend/float16.hpp>
#include <type_traits>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define REPRISE_COMPILES_AVX2 1
#include <cpuid.h>
#include <immintrin.h>
#else
#define REPRISE_COMPILES_AVX2 0
#endif

namespace reprise::inline v0::avx2 {

/// Whether this machine runs `sum_of_lines`: it has AVX2 and F16C.
[[nodiscard]] inline bool is_available() noexcept {
#if REPRISE_COMPILES_AVX2
  static const bool has_both = [] {
    unsigned a = 0, b = 0, c = 0, d = 0;
    const bool has_f16c = __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
    return has_f16c && __builtin_cpu_supports("avx2") != 0;
  }();
  return has_both;
#else
  return false;
#endif
}

#if REPRISE_COMPILES_AVX2
/// Adds the squares of `lines` times 32 `float16` or `bfloat16` numbers, element i to lane i mod 8.
///
/// Each square is exact in double and each lane adds in the order of the elements, so the result is
/// what the portable loop gives, to the bit, and depends on no machine.
/// @param data at any address
template <class T>
[[gnu::noinline, gnu::target("avx2,f16c")]] std::array<double, 8> sum_of_lines(
    const std::byte* data, std::size_t lines) noexcept {
  constexpr std::ptrdiff_t line_bytes = 64;
  constexpr std::uintptr_t prefetch_bytes = 4096;
  __m256d low = _mm256_setzero_pd();
  __m256d high = _mm256_setzero_pd();
  for (; lines > 0; --lines) {
    // As an integer: the address may lie behind the tensor, where a pointer may not.
    __builtin_prefetch(
        reinterpret_cast<const void*>(reinterpret_cast<std::uintptr_t>(data) + prefetch_bytes), 0,
        2);
    for (const std::byte* const end = data + line_bytes; data != end; data += sizeof(__m128i)) {
      const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(data));
      __m256 values;
      if constexpr (std::is_same_v<T, float16>) {
        values = _mm256_cvtph_ps(bits);
      } else {
        values = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
      }
      const __m256d first = _mm256_cvtps_pd(_mm256_castps256_ps128(values));
      const __m256d second = _mm256_cvtps_pd(_mm256_extractf128_ps(values, 1));
      low = _mm256_add_pd(low, _mm256_mul_pd(first, first));
      high = _mm256_add_pd(high, _mm256_mul_pd(second, second));
    }
  }
  std::array<double, 8> sums;
  _mm256_storeu_pd(sums.data(), low);
  _mm256_storeu_pd(sums.data() + 4, high);
  return sums;
}
#else
template <class T>
std::array<double, 8> sum_of_lines(const std::byte*, std::size_t) noexcept {
  return {};
}
#endif

#undef REPRISE_COMPILES_AVX2

}  // namespace reprise::inline v0::avx2
