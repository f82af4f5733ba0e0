// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The one function that runs all elementwise and row-wise work of the engine.

#include <cstddef>

#ifdef __CUDACC__
#define GPT_KERNEL __host__ __device__
#else
#define GPT_KERNEL  ///< before the call operator of a functor that `for_each_index` runs
#endif

namespace gpt {

/// Calls `f(i)` for each i below `n`, in parallel. No call may write what another one touches.
///
/// `f` is copied by value and holds numbers and raw pointers only, so that it can run on a GPU.
/// `work` is a guess of the elements that one call touches: little work stays on one thread.
template <class F>
void for_each_index(std::size_t n, F f, std::size_t work = 1) {
  constexpr std::size_t worth_threads = 8192;
#pragma omp parallel for schedule(static) if (n > 1 && n * work >= worth_threads)
  for (std::size_t i = 0; i < n; ++i) f(i);
}

}  // namespace gpt
