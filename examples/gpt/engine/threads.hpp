// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How many threads the engine computes with.

#include <omp.h>

namespace gpt {

/// Sets the number of threads of everything that runs from here on. Results are bit-identical from
/// run to run at one number.
inline void set_threads(int threads) { omp_set_num_threads(threads); }

/// The number of threads that the engine computes with.
[[nodiscard]] inline int threads() { return omp_get_max_threads(); }

}  // namespace gpt
