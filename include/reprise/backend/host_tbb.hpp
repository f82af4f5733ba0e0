// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// TBB's threads for the host backend. Not part of `reprise.hpp`: it needs TBB's headers and
/// library.

#include <thrust/system/tbb/execution_policy.h>

#include <reprise/backend/host.hpp>
#include <reprise/backend/host_system.hpp>
#include <string_view>

namespace reprise::inline v0 {

/// TBB's threads: as many as its current arena has.
struct TBB {
  static constexpr std::string_view name = "tbb";  ///< for tables and messages
  /// Thrust's execution policy.
  static constexpr auto policy() { return thrust::tbb::par; }
};
static_assert(HostSystem<TBB>);
static_assert(Backend<HostBackend<TBB>>);

}  // namespace reprise::inline v0
