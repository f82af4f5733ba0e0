// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Sums of bytes that do not wrap.

#include <optional>
#include <reprise/core/units.hpp>

namespace reprise::inline v0 {

/// The sum of two byte counts; nothing where it passes 2^64 - 1.
[[nodiscard]] constexpr std::optional<byte_count> byte_sum(byte_count a, byte_count b) noexcept {
  if (a > unlimited_bytes - b) return std::nullopt;
  return a + b;
}

}  // namespace reprise::inline v0
