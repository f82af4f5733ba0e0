// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A test case that misses what it needs leaves with `return reprise_test::skip("why");`. The other
/// cases run; CTest then shows the test as skipped, unless one of them failed.

#include <cstdio>

namespace reprise_test {

/// The exit status that CTest counts as skipped.
inline constexpr int skip_status = 77;

/// Whether any test case of this executable was skipped.
inline bool& any_skipped() {
  static bool skipped = false;
  return skipped;
}

/// Notes that the calling test case is skipped, and says why.
inline void skip(const char* reason) {
  std::printf("skipped: %s\n", reason);
  any_skipped() = true;
}

}  // namespace reprise_test
