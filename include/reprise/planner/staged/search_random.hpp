// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Random numbers for searches.

#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace reprise::inline v0::staged {

/// Random numbers that are the same on every machine, other than those of the standard library's
/// distributions.
class SearchRandom {
 public:
  /// Equal seeds give equal numbers.
  explicit SearchRandom(std::uint64_t seed) : bits_(seed) {}

  /// In [0, 1).
  [[nodiscard]] double uniform() { return static_cast<double>(bits_() >> 11U) * 0x1p-53; }
  /// Below n; 0 for n = 0.
  [[nodiscard]] std::size_t below(std::size_t n) {
    return static_cast<std::size_t>(uniform() * static_cast<double>(n));
  }
  /// True with that probability.
  [[nodiscard]] bool chance(double probability) { return uniform() < probability; }

 private:
  std::mt19937_64 bits_;
};

/// Puts a list in a random order.
template <class T>
void shuffle(std::vector<T>& list, SearchRandom& random) {
  for (std::size_t left = list.size(); left > 1; --left) {
    std::swap(list[left - 1], list[random.below(left)]);
  }
}

}  // namespace reprise::inline v0::staged
