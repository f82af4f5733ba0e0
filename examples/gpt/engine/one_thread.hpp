// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a CPU takes for a team of threads.

#include <cstddef>
#include <limits>
#include <type_traits>

#include "engine/kernel.hpp"

namespace gpt {

/// A team of one. Teams work on one row of a matrix, or whatever else has sums in it: all threads
/// run the row's functor, which leaves to the team what they share.
///
/// - `for_each(n, f)`: calls `f(i)` for each i below n. An index is always the same thread's, and
///   nobody waits: no index may read what another one wrote.
/// - `sum(n, f)`, `max(n, f)`: of `f(i)`, in an order that does not change; every thread gets it.
///   `f` may write as above. What is summed has `+` and is zero as `T{}`.
/// - `once(f)`: calls `f()`.
struct OneThread {
  template <class F>
  GPT_KERNEL void for_each(std::size_t n, F f) const {
    for (std::size_t i = 0; i < n; ++i) f(i);
  }

  template <class F>
  [[nodiscard]] GPT_KERNEL auto sum(std::size_t n, F f) const {
    using Sum = std::decay_t<decltype(f(n))>;
    Sum total{};
    if constexpr (std::is_arithmetic_v<Sum>) {
#ifdef _OPENMP
#pragma omp simd reduction(+ : total)
#endif
      for (std::size_t i = 0; i < n; ++i) total += f(i);
    } else {
      for (std::size_t i = 0; i < n; ++i) total = total + f(i);
    }
    return total;
  }

  template <class F>
  [[nodiscard]] GPT_KERNEL float max(std::size_t n, F f) const {
    float largest = -std::numeric_limits<float>::infinity();
    for (std::size_t i = 0; i < n; ++i) {
      const float value = f(i);
      largest = value > largest ? value : largest;
    }
    return largest;
  }

  template <class F>
  GPT_KERNEL void once(F f) const {
    f();
  }
};

}  // namespace gpt
