// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What marks code that every device runs.

#ifdef __CUDACC__
#define GPT_KERNEL __host__ __device__
#else
#define GPT_KERNEL  ///< before a function of a functor that a device runs
#endif
