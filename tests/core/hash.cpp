// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstdint>
#include <reprise/core/hash.hpp>
#include <set>
#include <span>
#include <vector>

using reprise::hash_bytes;
using reprise::hash_combine;

TEST_CASE("the order of small numbers counts") {
  std::set<std::uint64_t> seen;
  for (std::uint64_t a = 0; a < 100; ++a) {
    for (std::uint64_t b = 0; b < 100; ++b) seen.insert(hash_combine(hash_combine(7, a), b));
  }
  CHECK(seen.size() == 10'000);
  seen.clear();
  for (std::uint64_t a = 0; a < 100; ++a) {
    for (std::uint64_t b = 0; b < 100; ++b) seen.insert(hash_combine(a, b));
  }
  CHECK(seen.size() == 10'000);
}

TEST_CASE("each byte of a run of bytes counts, and its length") {
  const std::vector<std::byte> bytes(21, std::byte{0});
  std::set<std::uint64_t> seen;
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    seen.insert(hash_bytes(std::span(bytes).first(size)));
  }
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    std::vector<std::byte> other = bytes;
    other[at] = std::byte{1};
    seen.insert(hash_bytes(other));
  }
  CHECK(seen.size() == 2 * bytes.size() + 1);
  CHECK(hash_bytes(bytes) == hash_bytes(std::vector<std::byte>(21)));
  CHECK(hash_bytes(bytes, 1) != hash_bytes(bytes));
}
