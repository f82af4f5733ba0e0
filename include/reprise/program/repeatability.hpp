// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Which operations may run again.

#include <algorithm>
#include <cstdint>
#include <reprise/program/program.hpp>
#include <vector>

namespace reprise::inline v0 {

/// Of a program: what a plan may run again, and what it must make anew for that.
class Repeatability {
 public:
  /// Linear in the program.
  explicit Repeatability(const Program& program)
      : is_taken_over_(program.values().size(), 0), may_run_again_(program.operations().size(), 0) {
    for (const Operation& op : program.operations()) {
      for (const value_id consumed : op.consumes) is_taken_over_[consumed] = 1;
    }
    for (operation_id op = 0; op < program.operations().size(); ++op) {
      const Operation& o = program.operations()[op];
      const auto can_be_had = [&](value_id read) {
        return is_taken_over_[read] == 0 || may_run_again_[program.maker(read)] != 0;
      };
      const auto is_whole = [&](value_id written) { return !program.is_sum(written); };
      const auto is_own = [&](value_id part) { return program.maker(part) == op; };
      may_run_again_[op] = o.repeatable && std::ranges::all_of(o.reads, can_be_had) &&
                                   std::ranges::all_of(o.writes, is_whole) &&
                                   std::ranges::all_of(o.accumulates, is_own)
                               ? 1
                               : 0;
    }
  }

  /// True if an operation is repeatable, and so are those that make what it reads and something
  /// takes over; it adds to nothing, and nothing adds to what it makes.
  [[nodiscard]] bool may_run_again(operation_id op) const noexcept {
    return may_run_again_[op] != 0;
  }
  /// True if some operation consumes the value: what runs again and reads it needs it made anew.
  [[nodiscard]] bool is_taken_over(value_id value) const noexcept {
    return is_taken_over_[value] != 0;
  }

 private:
  std::vector<std::uint8_t> is_taken_over_;
  std::vector<std::uint8_t> may_run_again_;
};

}  // namespace reprise::inline v0
