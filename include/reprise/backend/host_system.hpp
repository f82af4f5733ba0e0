// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The ways in which a host runs a Thrust algorithm.

#include <thrust/execution_policy.h>

#include <concepts>
#include <string_view>
#ifdef _OPENMP
#include <thrust/system/omp/execution_policy.h>
#endif

namespace reprise::inline v0 {

/// A system that Thrust can run on in host memory: it has a name and gives an execution policy.
template <class S>
concept HostSystem = std::default_initializable<S> && requires {
  { S::name } -> std::convertible_to<std::string_view>;
  S::policy();
};

/// One thread, the caller's.
struct Serial {
  static constexpr std::string_view name = "serial";  ///< for tables and messages
  /// Thrust's execution policy.
  static constexpr auto policy() { return thrust::seq; }
};
static_assert(HostSystem<Serial>);

#ifdef _OPENMP
/// OpenMP's threads: as many as `omp_get_max_threads()` says when an operation starts.
struct OpenMP {
  static constexpr std::string_view name = "openmp";  ///< for tables and messages
  /// Thrust's execution policy.
  static constexpr auto policy() { return thrust::omp::par; }
};
static_assert(HostSystem<OpenMP>);
#endif

}  // namespace reprise::inline v0
