// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A 64-bit hash of bytes for fingerprints and checksums: fast and well mixed, not cryptographic.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace reprise::inline v0 {

/// Mixes one word into a running hash (the finaliser of MurmurHash3 over a multiplicative step).
/// The order counts: (1, 0) and (0, 1) are two hashes.
[[nodiscard]] constexpr std::uint64_t hash_combine(std::uint64_t hash,
                                                   std::uint64_t word) noexcept {
  std::uint64_t mixed = (std::rotl(hash, 32) ^ word) * 0x9E3779B97F4A7C15U;
  mixed ^= mixed >> 33U;
  mixed *= 0xFF51AFD7ED558CCDU;
  mixed ^= mixed >> 33U;
  return mixed;
}

/// Hash of a run of bytes; equal bytes give equal hashes on machines of one byte order.
/// Linear in the number of bytes.
[[nodiscard]] inline std::uint64_t hash_bytes(std::span<const std::byte> bytes,
                                              std::uint64_t seed = 0) noexcept {
  std::uint64_t hash = hash_combine(seed, bytes.size());
  std::size_t at = 0;
  for (; at + sizeof(std::uint64_t) <= bytes.size(); at += sizeof(std::uint64_t)) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, sizeof(word));
    hash = hash_combine(hash, word);
  }
  if (at < bytes.size()) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, bytes.size() - at);
    hash = hash_combine(hash, word);
  }
  return hash;
}

}  // namespace reprise::inline v0
