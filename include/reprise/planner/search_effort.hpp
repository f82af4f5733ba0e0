// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How long a search may take.

#include <cstdint>

namespace reprise::inline v0 {

/// How long a search may take.
struct SearchEffort {
  static constexpr unsigned most_threads = 1024;  ///< that a search starts

  /// Of wall time, for all of a search, up to 10^9. It ends then with the best plan so far, and
  /// with none if it has found none.
  double seconds = 1.0;
  /// If not 0: so many tries in all, whatever time they take. Plans are then the same in each run,
  /// on any number of threads.
  std::uint64_t tries = 0;
  /// That search side by side; 0 counts as 1, more than `most_threads` as those. Fewer where the
  /// machine has no more.
  unsigned threads = 2;
  std::uint64_t seed = 0;  ///< of the search's random choices
};

}  // namespace reprise::inline v0
