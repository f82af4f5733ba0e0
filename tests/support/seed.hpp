// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The seed of property tests. A test writes `REPRISE_SEEDED(random);` and uses `random`; a failure
/// prints the seed, and REPRISE_SEED=<number> in the environment runs it with another one.

#include <doctest/doctest.h>

#include <cstdint>
#include <cstdlib>
#include <random>

namespace reprise_test {

/// The seed of this run.
inline std::uint64_t seed() {
  const char* const text = std::getenv("REPRISE_SEED");
  return text == nullptr ? 20250101U : std::strtoull(text, nullptr, 10);
}

}  // namespace reprise_test

#define REPRISE_SEEDED(name)                             \
  INFO("seed (REPRISE_SEED): ", ::reprise_test::seed()); \
  std::mt19937_64 name(::reprise_test::seed())
