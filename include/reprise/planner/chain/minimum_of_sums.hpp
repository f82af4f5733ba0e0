// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The inner loop of dynamic programmes over costs: elementwise minimum of sums.

#include <array>
#include <cstddef>

namespace reprise::inline v0 {

/// Two rows of costs and a cost for all their elements.
struct SumOfRows {
  const float* first = nullptr;   ///< as long as the result
  const float* second = nullptr;  ///< as long as the result
  float cost = 0;                 ///< added to each sum
};

namespace minimum_of_sums {

template <std::size_t N>
[[gnu::always_inline]] inline void lower(float* lowest, const std::array<SumOfRows, N>& sums,
                                         std::size_t count) noexcept {
  const std::array<SumOfRows, N> local = sums;
#pragma omp simd
  for (std::size_t i = 0; i < count; ++i) {
    float least = lowest[i];
    for (std::size_t n = 0; n < N; ++n) {
      const float sum = local[n].first[i] + local[n].second[i] + local[n].cost;
      least = sum < least ? sum : least;
    }
    lowest[i] = least;
  }
}

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
template <std::size_t N>
[[gnu::noinline, gnu::target("avx2")]] void lower_by_avx2(float* lowest,
                                                          const std::array<SumOfRows, N>& sums,
                                                          std::size_t count) noexcept {
  lower(lowest, sums, count);
}
[[nodiscard]] inline bool has_avx2() noexcept {
  static const bool has = __builtin_cpu_supports("avx2") != 0;
  return has;
}
#else
template <std::size_t N>
void lower_by_avx2(float*, const std::array<SumOfRows, N>&, std::size_t) noexcept {}
[[nodiscard]] inline bool has_avx2() noexcept { return false; }
#endif

}  // namespace minimum_of_sums

/// Lowers each of the first `count` elements of `lowest` to the least of the sums' elements there,
/// if one is less. The same bits on every machine. The rows must not overlap `lowest`.
template <std::size_t N>
void lower_to_sums(float* lowest, const std::array<SumOfRows, N>& sums,
                   std::size_t count) noexcept {
  if (minimum_of_sums::has_avx2()) {
    minimum_of_sums::lower_by_avx2(lowest, sums, count);
  } else {
    minimum_of_sums::lower(lowest, sums, count);
  }
}

}  // namespace reprise::inline v0
