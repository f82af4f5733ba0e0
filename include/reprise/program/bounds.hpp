// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What no plan can do without.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <reprise/program/maker_bounds.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/storages.hpp>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

namespace bounds {

/// Walks over a program and notes what each operation cannot run without.
class Walk {
 public:
  explicit Walk(const Program& program)
      : program_(program),
        storages_(storages_of(program, ViewsOfGiven::resolve)),
        last_read_(program.values().size(), none),
        counted_(program.values().size(), none),
        freed_(program.values().size(), none) {
    for (operation_id op = 0; op < program.operations().size(); ++op) {
      if (program.operations()[op].repeatable) continue;
      for (const value_id read : program.operations()[op].reads) last_read_[storages_[read]] = op;
    }
    for (const Value& value : program.values()) {
      if (value.kind == ValueKind::constant) constants_ += value.bytes;
    }
  }

  [[nodiscard]] byte_count bytes() {
    byte_count bound = bytes_at_end();
    for (operation_id op = 0; op < program_.operations().size(); ++op) {
      bound = std::max(bound, bytes_during(op));
      note_gradients(op);
    }
    return bound;
  }

 private:
  static constexpr operation_id none = Program::no_operation;
  static constexpr operation_id end = none - 1;

  [[nodiscard]] byte_count bytes_of(value_id storage) const {
    return program_.values()[storage].bytes;
  }
  // What cannot be recomputed is there from its maker to the last reader that cannot run again
  // either: these run in the program's order, the others at any time.
  [[nodiscard]] bool is_held(value_id storage) const {
    return program_.values()[storage].kind == ValueKind::gradient &&
           !program_.operations()[program_.maker(storage)].repeatable;
  }
  // True once for each storage and operation.
  [[nodiscard]] static bool mark(std::vector<operation_id>& marks, value_id storage,
                                 operation_id op) {
    return std::exchange(marks[storage], op) != op;
  }

  [[nodiscard]] byte_count bytes_at_end() {
    byte_count bytes = constants_;
    for (const value_id result : program_.results()) {
      const value_id storage = storages_[result];
      if (!program_.is_given(storage) && mark(counted_, storage, end)) bytes += bytes_of(storage);
    }
    return bytes;
  }

  [[nodiscard]] byte_count bytes_during(operation_id op) {
    const Operation& o = program_.operations()[op];
    const bool is_in_order = !o.repeatable;
    byte_count bytes = constants_ + (is_in_order ? gradients_ : 0) + o.transient_bytes;
    for (const value_id read : o.reads) {
      const value_id storage = storages_[read];
      if (program_.is_given(storage) || (is_in_order && is_held(storage))) continue;
      if (mark(counted_, storage, op)) bytes += bytes_of(storage);
    }
    // What is consumed is read, so that it has been counted; two of its names count as one.
    for (const value_id consumed : o.consumes) {
      const value_id storage = storages_[consumed];
      if (!program_.is_given(storage) && mark(freed_, storage, op)) bytes -= bytes_of(storage);
    }
    for (const value_id written : o.writes) {
      if (!program_.values()[written].view_of) bytes += program_.values()[written].bytes;
    }
    if (!o.adds_in_place) {
      for (const value_id part : o.accumulates) bytes += program_.values()[part].bytes;
    }
    return bytes;
  }

  void note_gradients(operation_id op) {
    const Operation& o = program_.operations()[op];
    for (const value_id written : o.writes) {
      if (storages_[written] != written || !is_held(written)) continue;
      if (program_.values()[written].stays || last_read_[written] != none) {
        gradients_ += bytes_of(written);
      }
    }
    for (const value_id read : o.reads) {
      const value_id storage = storages_[read];
      if (!is_held(storage) || program_.values()[storage].stays) continue;
      if (last_read_[storage] != op) continue;
      last_read_[storage] = none;
      gradients_ -= bytes_of(storage);
    }
  }

  const Program& program_;
  std::vector<value_id> storages_;       ///< value -> the one whose bytes it shares
  std::vector<operation_id> last_read_;  ///< of each storage; none once it has been noted
  std::vector<operation_id> counted_;    ///< storage -> the operation that counted it last
  std::vector<operation_id> freed_;      ///< storage -> the operation that consumed it last
  byte_count constants_ = 0;
  byte_count gradients_ = 0;
};

}  // namespace bounds

/// A budget below which no plan of any planner can run the program: the most that any one operation
/// needs at once, with the constants and the gradients that are live around it (those that cannot
/// be recomputed are never evicted), or what must be there at the end. Linear in the program.
[[nodiscard]] inline byte_count lower_bound_bytes(const Program& program) {
  return bounds::Walk(program).bytes();
}

/// The same, never less: it also knows what must be there while the last result is made, and on any
/// way to an operation's operands; see `bounds::MakerBounds`, which has the proofs. Milliseconds
/// for a thousand operations, which refusals spend and plans do not.
[[nodiscard]] inline byte_count sharper_lower_bound_bytes(const Program& program) {
  const bounds::MakerBounds makers(program);
  const byte_count known = std::max(bounds::Walk(program).bytes(), makers.of_last_result());
  return makers.of_operands(known);
}

}  // namespace reprise::inline v0
