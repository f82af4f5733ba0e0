// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Which budgets of a program differ.

#include <algorithm>
#include <numeric>
#include <reprise/program/program.hpp>

namespace reprise::inline v0 {

/// What all bytes of a program are multiples of; at least 1. Whatever runs, what is live is a
/// multiple of it, so that budgets between two multiples are alike. Linear in the program.
[[nodiscard]] inline byte_count byte_grain(const Program& program) {
  byte_count grain = 0;
  for (const Value& value : program.values()) grain = std::gcd(grain, value.bytes);
  for (const Operation& op : program.operations()) grain = std::gcd(grain, op.transient_bytes);
  return std::max<byte_count>(grain, 1);
}

}  // namespace reprise::inline v0
