// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Where a program is divided for recomputation.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <reprise/planner/search_watch.hpp>
#include <reprise/planner/staged/staged_plan.hpp>
#include <reprise/planner/staged/staged_program.hpp>
#include <span>
#include <vector>

namespace reprise::inline v0::staged {

/// Divides what runs up to an instant into parts that hold about as much through it, with fences
/// where least crosses them.
///
/// A cut at one instant does not see that all it gives up comes back at once where the first of it
/// is needed: a chain of cheap operations makes it recompute everything before. If what crosses
/// fences is kept, each part is recomputed by itself. For a chain this is the checkpointing of Chen
/// et al. (arXiv:1604.06174) with segments of equal memory.
class Fences {
 public:
  /// Linear in the plan, whose watch may end it.
  Fences(const StagedPlan& plan, stage_id instant) : program_(&plan.program()) {
    end_ = std::min(instant, program_->operation_count());
    note_crossings(plan.watch());
    note_held(plan, instant);
  }

  /// A flag for each storage: whether it crosses one of the fences between that many parts.
  [[nodiscard]] std::vector<std::uint8_t> crossing(std::size_t parts) const {
    const std::vector<operation_id> fences = choose(parts);
    std::vector<std::uint8_t> flags(program_->value_count(), 0);
    for (value_id storage = 0; storage < program_->value_count(); ++storage) {
      if (crossings_[storage].last <= crossings_[storage].first) continue;
      const auto next = std::ranges::lower_bound(fences, crossings_[storage].first);
      flags[storage] = next != fences.end() && *next < crossings_[storage].last ? 1 : 0;
    }
    return flags;
  }

 private:
  /// The operations that make and read a storage last, of those before the instant.
  struct Crossing {
    operation_id first = 0;
    operation_id last = 0;
  };

  void note_crossings(const SearchWatch& watch) {
    crossings_.resize(program_->value_count());
    bytes_.assign(end_ + 1, 0);
    for (value_id storage = 0; storage < program_->value_count(); ++storage) {
      Crossing& crossing = crossings_[storage];
      if (program_->members(storage).empty()) continue;
      crossing.first = program_->maker(storage);
      crossing.last = crossing.first;
      for (const value_id member : program_->members(storage)) {
        watch.spend(4 + program_->readers(member).size());
        for (const operation_id reader : program_->readers(member)) {
          if (reader < end_) crossing.last = std::max(crossing.last, reader);
        }
      }
      if (crossing.first >= end_) continue;
      bytes_[crossing.first] += program_->storage_bytes(storage);
      bytes_[crossing.last] -= program_->storage_bytes(storage);
    }
    std::partial_sum(bytes_.begin(), bytes_.end(), bytes_.begin());
  }

  void note_held(const StagedPlan& plan, stage_id instant) {
    held_.assign(end_ + 1, 0);
    for (value_id storage = 0; storage < program_->value_count(); ++storage) {
      for (const StagedPlan::Span& span : plan.spans(storage)) {
        if (span.begin > instant || span.end <= instant) continue;
        if (crossings_[storage].first < end_) {
          held_[crossings_[storage].first] += program_->storage_bytes(storage);
        }
        break;
      }
    }
    std::partial_sum(held_.begin(), held_.end(), held_.begin());
  }

  /// Ascending; a fence is after its operation.
  [[nodiscard]] std::vector<operation_id> choose(std::size_t parts) const {
    std::vector<operation_id> fences;
    const double part = held_.back() / static_cast<double>(parts);
    for (std::size_t i = 1; i < parts && part > 0; ++i) {
      const double middle = static_cast<double>(i) * part;
      const auto first = std::ranges::lower_bound(held_, middle - part / 3);
      const auto last = std::ranges::upper_bound(held_, middle + part / 3);
      const auto least = std::min_element(
          bytes_.begin() + (first - held_.begin()),
          bytes_.begin() + std::max(last - held_.begin(), first - held_.begin() + 1));
      const auto fence = static_cast<operation_id>(least - bytes_.begin());
      if (fences.empty() || fences.back() < fence) fences.push_back(fence);
    }
    return fences;
  }

  const StagedProgram* program_;
  operation_id end_ = 0;
  std::vector<Crossing> crossings_;
  std::vector<double> bytes_;  ///< that cross a fence after an operation
  std::vector<double> held_;   ///< through the instant, of what is made up to an operation
};

}  // namespace reprise::inline v0::staged
