// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Which evicted values around a value its score looks at.

#include <cstdint>

namespace reprise::inline v0 {

/// Which evicted values around a value its score looks at, and so what the store keeps up to date.
/// Ancestors and descendants are followed to the nearest `StorageGraph::farthest` evicted ones.
enum class Neighbourhood : std::uint8_t {
  none,       ///< the value alone
  ancestors,  ///< what must be recomputed before it can be
  exact,      ///< these, and what would have to be recomputed from it
  classes,    ///< classes of evicted neighbours that only ever grow together (union-find)
};

}  // namespace reprise::inline v0
