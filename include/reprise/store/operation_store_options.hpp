// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How a store of operations runs them.

#include <cstdint>

namespace reprise::inline v0 {

/// How an `OperationStore` runs its operations.
struct OperationStoreOptions {
  std::uint64_t seed = 0;  ///< of the operations' random streams
  /// Take a checksum of each value that is made and of each input that is read, and compare it when
  /// the operation runs again: for tensors whose `tensor_traits` have a `checksum`. Reads each of
  /// them once more in full.
  bool verify_replay = false;
};

}  // namespace reprise::inline v0
