// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Bytes of a program's values where a pass makes more than the program says.

#include <algorithm>
#include <cstddef>
#include <reprise/core/units.hpp>
#include <reprise/program/program.hpp>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// The bytes of a program's values and transients for one pass: as the program says, or more where
/// sizes depend on data. Takes no memory until something grows.
class GrownBytes {
 public:
  /// Nothing has grown.
  /// @param program must outlive it
  explicit GrownBytes(const Program& program) noexcept : program_(&program) {}

  /// The bytes of a value.
  [[nodiscard]] byte_count of(value_id value) const noexcept {
    return values_.empty() ? program_->values()[value].bytes : values_[value];
  }
  /// The bytes that an operation takes beyond all that it makes.
  [[nodiscard]] byte_count transient(operation_id op) const noexcept {
    return transients_.empty() ? program_->operations()[op].transient_bytes : transients_[op];
  }

  /// A value has at least these bytes from here on. Linear in the values the first time.
  void grow(value_id value, byte_count bytes) {
    own();
    values_[value] = std::max(values_[value], bytes);
  }
  /// An operation's transient has at least these bytes from here on. Linear in the operations the
  /// first time.
  void grow_transient(operation_id op, byte_count bytes) {
    own();
    transients_[op] = std::max(transients_[op], bytes);
  }
  /// Everything has at least the bytes that another program of the same operations says. Linear.
  void grow_to(const Program& larger) {
    for (value_id v = 0; v < larger.values().size(); ++v) grow(v, larger.values()[v].bytes);
    for (operation_id op = 0; op < larger.operations().size(); ++op) {
      grow_transient(op, larger.operations()[op].transient_bytes);
    }
  }

 private:
  void own() {
    if (!values_.empty()) return;
    std::vector<byte_count> transients;
    for (const Operation& op : program_->operations()) transients.push_back(op.transient_bytes);
    std::vector<byte_count> values;
    for (const Value& value : program_->values()) values.push_back(value.bytes);
    transients_ = std::move(transients);
    values_ = std::move(values);
  }

  const Program* program_;
  std::vector<byte_count> values_;      ///< empty: as the program says
  std::vector<byte_count> transients_;  ///< empty with them
};

}  // namespace reprise::inline v0
