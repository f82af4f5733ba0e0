// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How many cases a property test plays: few unless REPRISE_CASES=<number> in the environment says
/// otherwise, as the marker `long` of a test does (cmake/reprise-testing.cmake).

#include <cstddef>
#include <cstdlib>

namespace reprise_test {

/// As many as the environment says, or `few`.
inline std::size_t cases(std::size_t few) {
  const char* const text = std::getenv("REPRISE_CASES");
  return text == nullptr ? few : std::strtoull(text, nullptr, 10);
}

}  // namespace reprise_test
