// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The loop that runs all of the engine's work on a CPU.

#include <cstddef>

namespace gpt {

/// Calls `f(i)` for each i below `n`, in parallel. No call may write what another one touches.
///
/// `work` is a guess of the elements that one call touches: little work stays on one thread.
template <class F>
void for_each_index(std::size_t n, F f, [[maybe_unused]] std::size_t work = 1) {
  [[maybe_unused]] constexpr std::size_t worth_threads = 8192;
#ifdef _OPENMP
#pragma omp parallel for schedule(static) if (n > 1 && n * work >= worth_threads)
#endif
  for (std::size_t i = 0; i < n; ++i) f(i);
}

}  // namespace gpt
