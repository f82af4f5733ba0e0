// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What must be live when the last of several values was made.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <queue>
#include <reprise/program/program.hpp>
#include <reprise/program/storages.hpp>
#include <set>
#include <utility>
#include <vector>

namespace reprise::inline v0::bounds {

/// Two lower bounds on what any schedule of a program needs, from one observation: of values that
/// are there together, one was made last, and while its maker ran all others were there.
///
/// Values are taken as the storages that hold their bytes. What is given is left out, but for the
/// constants, which are always there.
class MakerBounds {
 public:
  /// Linear in the program.
  explicit MakerBounds(const Program& program)
      : program_(program), storages_(storages_of(program, ViewsOfGiven::resolve)) {
    for (const Value& value : program.values()) {
      if (value.kind == ValueKind::constant) constants_ += value.bytes;
    }
    needs_.reserve(program.operations().size());
    for (const Operation& op : program.operations()) needs_.push_back(need_of(op));
  }

  /// What the maker of the last result needs beside all other results.
  ///
  /// Proof. At the end each result is there. The storage of it that is then there was made by a run
  /// of its maker and has been there since. Take any set of results: while the maker of the one of
  /// them that was made last ran, all of them were there or were being made, and so was what that
  /// maker reads and makes beside results. So for any x the results whose makers need x or more
  /// beside results are, with x, a lower bound. The greatest over all x is taken: results in
  /// descending order of that need. n log n in the results.
  [[nodiscard]] byte_count of_last_result() const {
    std::vector<value_id> results;
    for (const value_id result : program_.results()) {
      const value_id storage = storages_[result];
      if (!program_.is_given(storage)) results.push_back(storage);
    }
    unique(results);
    std::vector<std::pair<byte_count, byte_count>> needs;  // beside results, own
    needs.reserve(results.size());
    const byte_count of_results = bytes_of(results);
    for (const value_id result : results) {
      needs.emplace_back(during(program_.maker(result), results) - of_results, bytes(result));
    }
    std::ranges::sort(needs, std::ranges::greater{});
    byte_count bound = 0;
    byte_count sum = constants_;
    for (const auto& [beside, own] : needs) {
      sum += own;
      bound = std::max(bound, sum + beside);
    }
    return bound;
  }

  /// What has to be there to come to the operands of each operation.
  ///
  /// Proof. When an operation runs, its operands S are there. Of their storages one was made last,
  /// by a run of its maker m; meanwhile all of S was there or being made, and what m reads and
  /// makes as well. Just before, S without what m makes was there, and what m reads: a set of which
  /// the same holds, until nothing is left but what is given. So some path of such steps was taken,
  /// and what its greatest set needs was live. The least of that over all paths is a lower bound:
  /// of those makers of a set that cannot be repeated, only the one latest in the program's order
  /// can be the last. A best-first search over sets finds it; where it is ended early, all that is
  /// open needs at least what was looked at last, which is a lower bound too. Its work is limited:
  /// a constant and some for each operation.
  /// @param known a lower bound to go on from
  [[nodiscard]] byte_count of_operands(byte_count known) const {
    return Paths(*this, known).bound();
  }

 private:
  using Set = std::vector<value_id>;  ///< storages that have bytes and are not given, ascending

  /// What an operation cannot run without, as sets of storages.
  struct Need {
    Set reads{};
    Set makes{};     ///< whenever it runs
    Set consumes{};  ///< may be gone while it runs
    byte_count beside = 0;
  };

  static void unique(Set& set) {
    std::ranges::sort(set);
    set.erase(std::unique(set.begin(), set.end()), set.end());  // for clang 14
  }

  [[nodiscard]] byte_count bytes(value_id storage) const {
    return program_.values()[storage].bytes;
  }
  [[nodiscard]] byte_count bytes_of(const Set& set) const {
    byte_count sum = 0;
    for (const value_id storage : set) sum += bytes(storage);
    return sum;
  }

  [[nodiscard]] Set storages_of_list(const std::vector<value_id>& values) const {
    Set set;
    for (const value_id value : values) {
      const value_id storage = storages_[value];
      if (!program_.is_given(storage) && bytes(storage) > 0) set.push_back(storage);
    }
    unique(set);
    return set;
  }

  [[nodiscard]] Need need_of(const Operation& op) const {
    Need need{.reads = storages_of_list(op.reads), .consumes = storages_of_list(op.consumes)};
    for (const value_id written : op.writes) {
      const Value& value = program_.values()[written];
      const bool may_lack = op.can_skip_output && value.kind == ValueKind::output;
      if (!value.view_of && value.bytes > 0 && !may_lack) need.makes.push_back(written);
    }
    unique(need.makes);
    need.beside = op.transient_bytes;
    if (!op.adds_in_place) {
      for (const value_id part : op.accumulates) need.beside += program_.values()[part].bytes;
    }
    return need;
  }

  /// While an operation runs, and all of a set is there or being made.
  [[nodiscard]] byte_count during(operation_id op, const Set& set) const {
    const Need& need = needs_[op];
    Set live;
    std::ranges::set_union(need.reads, need.makes, std::back_inserter(live));
    Set kept;
    std::ranges::set_difference(live, need.consumes, std::back_inserter(kept));
    live.clear();
    std::ranges::set_union(kept, set, std::back_inserter(live));
    return need.beside + bytes_of(live);
  }

  /// The search over sets, from the operands of one operation after the other.
  class Paths {
   public:
    Paths(const MakerBounds& of, byte_count known) : of_(of), bound_(known) {}

    [[nodiscard]] byte_count bound() {
      std::size_t left = most_work + work_for_each * of_.needs_.size();
      for (const Need& need : of_.needs_) {
        if (left == 0) break;
        left -= std::min(left, raise(need.reads, std::min(left, most_for_each)));
      }
      return bound_;
    }

   private:
    static constexpr std::size_t most_work = std::size_t{1} << 16U;
    static constexpr std::size_t most_for_each = std::size_t{1} << 11U;
    static constexpr std::size_t work_for_each = 8;

    struct Open {
      byte_count needed;
      std::size_t number;
      Set set;
      // Of equals the latest, which is the deepest, comes first.
      [[nodiscard]] bool operator<(const Open& other) const {
        return needed != other.needed ? needed > other.needed : number < other.number;
      }
    };

    // The work it took.
    std::size_t raise(const Set& operands, std::size_t most) {
      std::set<Set> seen;
      std::priority_queue<Open> open;
      std::size_t number = 0;
      open.push({of_.constants_ + of_.bytes_of(operands), number, operands});
      std::size_t work = 1;
      while (true) {
        const Open next = open.top();
        ++work;
        open.pop();
        bound_ = std::max(bound_, next.needed);
        if (next.set.empty() || reached_.contains(next.set)) break;
        if (work >= most) return work;
        // Only now: another way to the same set may have needed less.
        if (!seen.insert(next.set).second) continue;
        for (const operation_id maker : last_makers(next.set)) {
          const Need& need = of_.needs_[maker];
          Set before = before_run(maker, next.set);
          work += 2 * (next.set.size() + need.reads.size() + need.makes.size()) + 8;
          if (seen.contains(before)) continue;
          const byte_count during = of_.constants_ + of_.during(maker, next.set);
          open.push({std::max({bound_, next.needed, during}), ++number, std::move(before)});
        }
      }
      // From here there is a path within the bound, which never gets smaller.
      if (!operands.empty()) reached_.insert(operands);
      return work;
    }

    // In program order.
    [[nodiscard]] std::vector<operation_id> last_makers(const Set& set) const {
      std::vector<operation_id> makers;
      operation_id in_order = Program::no_operation;
      for (const value_id storage : set) {
        const operation_id maker = of_.program_.maker(storage);
        if (of_.program_.operations()[maker].repeatable) {
          makers.push_back(maker);
        } else if (in_order == Program::no_operation || in_order < maker) {
          in_order = maker;
        }
      }
      if (in_order != Program::no_operation) makers.push_back(in_order);
      unique(makers);
      return makers;
    }

    [[nodiscard]] Set before_run(operation_id maker, const Set& set) const {
      const Need& need = of_.needs_[maker];
      Set left;
      for (const value_id storage : set) {
        if (of_.program_.maker(storage) != maker) left.push_back(storage);
      }
      Set before;
      std::ranges::set_union(left, need.reads, std::back_inserter(before));
      return before;
    }

    const MakerBounds& of_;
    byte_count bound_;
    std::set<Set> reached_;
  };

  const Program& program_;
  std::vector<value_id> storages_;  ///< value -> the one whose bytes it shares
  std::vector<Need> needs_;         ///< of each operation
  byte_count constants_ = 0;
};

}  // namespace reprise::inline v0::bounds
