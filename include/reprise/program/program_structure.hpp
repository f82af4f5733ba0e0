// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Tells programs apart for which a schedule means something else.

#include <cstdint>
#include <reprise/core/hash.hpp>
#include <reprise/program/operation.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/value.hpp>
#include <span>

namespace reprise::inline v0 {

/// A number for what the operations of a program are, read and make, whatever that costs: a
/// schedule of one program is one of another with the same number. Linear in reads and writes.
[[nodiscard]] inline std::uint64_t program_structure(const Program& program) {
  std::uint64_t hash = hash_combine(program.operations().size(), program.values().size());
  const auto add = [&hash](std::span<const value_id> values) {
    hash = hash_combine(hash, values.size());
    for (const value_id value : values) hash = hash_combine(hash, value);
  };
  for (const Operation& operation : program.operations()) {
    hash = hash_combine(hash, static_cast<std::uint64_t>(operation.kind));
    hash = hash_combine(hash, operation.node);
    hash = hash_combine(hash, operation.repeatable ? 1 : 0);
    add(operation.reads);
    add(operation.writes);
    add(operation.consumes);
    add(operation.accumulates);
    add(operation.releases);
  }
  for (const Value& value : program.values()) {
    hash = hash_combine(hash, static_cast<std::uint64_t>(value.kind));
    hash = hash_combine(hash, value.view_of ? *value.view_of + 1ULL : 0);
    if (value.form_of) {
      hash = hash_combine(hash_combine(hash, *value.form_of), value.is_approximate ? 1 : 0);
    }
  }
  add(program.results());
  return hash;
}

}  // namespace reprise::inline v0
