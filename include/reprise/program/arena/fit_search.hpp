// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Whether pieces fit into so many bytes.

#include <algorithm>
#include <array>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/core/units.hpp>
#include <reprise/program/arena/sections.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0::arena {

/// What a search for a layout came to.
enum class Fit : std::uint8_t {
  found,
  impossible,  ///< all was tried
  gave_up,
};

/// Looks for a layout within a capacity, depth first.
///
/// Only canonical layouts are tried: each piece lies at 0 or on another one, and pieces are placed
/// by offset, those of equal offset by rank. From that follow
/// - where a piece lies: on the highest of those below it that it meets in time;
/// - a bound for each section: nothing more begins below the lowest piece that is left there, and
///   all that is left has to fit above it;
/// - dominance: nothing is placed as high as the end of a piece that could still be placed below;
/// - parts: where no piece that is left crosses from a section to the next, both sides are searched
///   one after the other, and neither is tried again because of the other.
class FitSearch {
 public:
  using clock = std::chrono::steady_clock;  ///< of its deadline

  /// How long one search may go on.
  struct Limits {
    std::uint64_t nodes = 0;                                ///< pieces placed
    clock::time_point deadline = clock::time_point::max();  ///< not looked at if at its end
  };

  /// Borrows the sections. No piece may be empty.
  explicit FitSearch(const Sections& sections)
      : sections_(sections),
        rank_(sections.ranges.size()),
        lowest_(rank_.size()),
        is_placed_(rank_.size()),
        members_(sections.size()),
        witness_(sections.size()) {
    offsets.assign(rank_.size(), 0);
    failures.assign(sections.size(), 0);
    for (std::uint32_t p = 0; p < rank_.size(); ++p) {
      const auto [first, last] = sections.ranges[p];
      for (std::uint32_t s = first; s <= last; ++s) members_[s].push_back(p);
    }
  }

  std::vector<byte_count> offsets{};  ///< piece -> where it lies, once a layout was found

  std::vector<std::uint64_t> failures{};  ///< section -> how often nothing fitted there any more

  /// @param capacity where all has to end
  /// @param order all pieces; of those that could lie at one offset the first is tried first
  [[nodiscard]] Fit run(byte_count capacity, std::span<const std::uint32_t> order,
                        const Limits& limits) {
    start(capacity, order);
    limits_ = limits;
    nodes_ = 0;
    return place_parts({0, order.size()}, {0, sections_.size() - 1}, {});
  }

  /// Pieces placed by the last run.
  [[nodiscard]] std::uint64_t nodes() const noexcept { return nodes_; }

 private:
  /// Part of the list of those that are left.
  struct Slice {
    std::size_t begin;
    std::size_t end;
  };
  /// What was placed last: the next one lies higher, or as high and has a later rank.
  struct Front {
    byte_count offset = 0;
    std::uint32_t rank = 0;

    friend auto operator<=>(const Front&, const Front&) = default;  // NOLINT(modernize-use-nullptr)
  };
  struct Candidate {
    Front front;
    std::uint32_t piece;
  };
  struct Raised {
    std::uint32_t piece;
    byte_count from;
  };

  void start(byte_count capacity, std::span<const std::uint32_t> order) {
    capacity_ = capacity;
    for (std::uint32_t i = 0; i < order.size(); ++i) rank_[order[i]] = i + 1;
    std::ranges::fill(is_placed_, char{0});
    std::ranges::fill(lowest_, byte_count{0});
    left_bytes_ = sections_.live;
    left_.assign(sections_.size(), 0);
    crossing_.assign(sections_.size(), 0);
    for (std::uint32_t s = 0; s < sections_.size(); ++s) {
      left_[s] = static_cast<std::uint32_t>(members_[s].size());
      std::ranges::sort(members_[s], {}, [&](std::uint32_t p) { return rank_[p]; });
      witness_[s] = members_[s].front();
    }
    for (const auto& [first, last] : sections_.ranges) {
      for (std::uint32_t s = first; s < last; ++s) ++crossing_[s];
    }
    list_.assign(order.begin(), order.end());
    candidates_.clear();
    placed_.clear();
    raised_.clear();
  }

  Fit place_parts(Slice slice, SectionRange range, Front front) {
    std::uint32_t from = range.first;
    for (std::uint32_t s = range.first; s <= range.last; ++s) {
      if (s < range.last && crossing_[s] > 0) continue;
      const SectionRange part{std::exchange(from, s + 1), s};
      if (part.first == range.first && part.last == range.last) return place(slice, part, front);
      if (left_[part.first] == 0) continue;
      const std::size_t end = list_.size();
      for (std::size_t i = slice.begin; i < slice.end; ++i) {
        const std::uint32_t p = list_[i];
        const auto [first, last] = sections_.ranges[p];
        if (is_placed_[p] == 0 && first >= part.first && last <= part.last) list_.push_back(p);
      }
      const Fit fit = place({end, list_.size()}, part, front);
      list_.resize(end);
      if (fit != Fit::found) return fit;
    }
    return Fit::found;
  }

  // All that is left of a slice, which lies in one part.
  Fit place(Slice slice, SectionRange range, Front front) {
    if (++nodes_ > limits_.nodes || is_late()) return Fit::gave_up;
    if (is_hopeless(slice, range, front)) return Fit::impossible;
    const std::size_t list_end = list_.size();
    for (std::size_t i = slice.begin; i < slice.end; ++i) {
      if (is_placed_[list_[i]] == 0) list_.push_back(list_[i]);
    }
    const Slice left{list_end, list_.size()};
    Fit fit = Fit::found;
    if (left.begin < left.end) {
      const std::size_t candidates_end = candidates_.size();
      fit = collect(left, range, front) ? try_each(candidates_end, left, range) : Fit::impossible;
      candidates_.resize(candidates_end);
    }
    list_.resize(list_end);
    return fit;
  }

  Fit try_each(std::size_t begin, Slice left, SectionRange range) {
    const std::size_t end = candidates_.size();
    for (std::size_t i = begin; i < end; ++i) {
      const auto [front, piece] = candidates_[i];
      const std::size_t placed = placed_.size();
      const std::size_t raised = raised_.size();
      put(piece, left);
      const Fit fit = place_parts(left, range, front);
      if (fit != Fit::impossible) return fit;
      undo(placed, raised);
    }
    return Fit::impossible;
  }

  // Adds what may be placed next, in order. False if all that is left does not fit any more.
  bool collect(Slice left, SectionRange range, Front front) {
    byte_count next_end =
        unlimited_bytes;  // of what is placed next: what is passed over rests on it
    byte_count dominated = unlimited_bytes;  // from here on a piece could be placed below
    for (std::size_t i = left.begin; i < left.end; ++i) {
      const std::uint32_t p = list_[i];
      next_end = std::min(next_end, std::max(lowest_[p], front.offset) + sections_.bytes[p]);
      dominated = std::min(dominated, lowest_[p] + sections_.bytes[p]);
    }
    const std::optional<byte_count> highest = highest_start(left, range, front, next_end);
    if (!highest) return false;
    const std::size_t begin = candidates_.size();
    for (std::size_t i = left.begin; i < left.end; ++i) {
      const std::uint32_t p = list_[i];
      const Front at{lowest_[p], rank_[p]};
      if (at < front || at.offset >= dominated || at.offset > *highest) continue;
      candidates_.push_back({at, p});
    }
    std::sort(candidates_.begin() + static_cast<std::ptrdiff_t>(begin), candidates_.end(),
              [](const Candidate& a, const Candidate& b) { return a.front < b.front; });
    return true;
  }

  // A piece that was passed over rests on one that it meets and that is placed later.
  [[nodiscard]] bool rests_low(std::uint32_t piece, Slice left, Front front,
                               byte_count limit) const {
    const auto [first, last] = sections_.ranges[piece];
    for (std::size_t i = left.begin; i < left.end; ++i) {
      const std::uint32_t p = list_[i];
      const SectionRange& other = sections_.ranges[p];
      if (p != piece && is_placed_[p] == 0 && other.first <= last && other.last >= first &&
          std::max(lowest_[p], front.offset) + sections_.bytes[p] <= limit) {
        return true;
      }
    }
    return false;
  }

  // Where the next piece lies at most, if each section has one that lies low enough.
  std::optional<byte_count> highest_start(Slice left, SectionRange range, Front front,
                                          byte_count next_end) {
    byte_count highest = unlimited_bytes;
    for (std::uint32_t s = range.first; s <= range.last; ++s) {
      if (left_[s] == 0) continue;
      if (!starts_low(s, left, front, next_end)) {
        std::rotate(culprits_.begin(), culprits_.end() - 1, culprits_.end());
        culprits_.front() = s;
        ++failures[s];
        return std::nullopt;
      }
      highest = std::min(highest, capacity_ - left_bytes_[s]);
    }
    return highest;
  }

  // Where one choice left no room, the next one mostly leaves none either: a look there first.
  bool is_hopeless(Slice left, SectionRange range, Front front) {
    return std::ranges::any_of(culprits_, [&](std::uint32_t s) {
      return s >= range.first && s <= range.last && left_[s] > 0 && !starts_low(s, left, front, 0);
    });
  }

  // Whether something in a section can start so low that all that is left in it fits above.
  bool starts_low(std::uint32_t section, Slice left, Front front, byte_count next_end) {
    if (left_bytes_[section] > capacity_) return false;
    const byte_count limit = capacity_ - left_bytes_[section];
    const auto lies_low = [&](std::uint32_t p) {
      if (is_placed_[p] != 0) return false;
      const bool is_passed_over = Front{lowest_[p], rank_[p]} < front;
      if (!is_passed_over) return lowest_[p] <= limit;
      return next_end <= limit && rests_low(p, left, front, limit);
    };
    if (lies_low(witness_[section])) return true;
    const auto found = std::ranges::find_if(members_[section], lies_low);
    if (found == members_[section].end()) return false;
    witness_[section] = *found;
    return true;
  }

  void put(std::uint32_t piece, Slice left) {
    offsets[piece] = lowest_[piece];
    is_placed_[piece] = 1;
    placed_.push_back(piece);
    const byte_count end = lowest_[piece] + sections_.bytes[piece];
    const auto [first, last] = sections_.ranges[piece];
    for (std::size_t i = left.begin; i < left.end; ++i) {
      const std::uint32_t p = list_[i];
      const SectionRange& other = sections_.ranges[p];
      if (lowest_[p] >= end || other.first > last || other.last < first || is_placed_[p] != 0) {
        continue;
      }
      raised_.push_back({p, std::exchange(lowest_[p], end)});
    }
    for (std::uint32_t s = first; s <= last; ++s) {
      left_bytes_[s] -= sections_.bytes[piece];
      --left_[s];
      if (s < last) --crossing_[s];
    }
  }

  void undo(std::size_t placed, std::size_t raised) {
    for (; placed_.size() > placed; placed_.pop_back()) {
      const std::uint32_t piece = placed_.back();
      is_placed_[piece] = 0;
      const auto [first, last] = sections_.ranges[piece];
      for (std::uint32_t s = first; s <= last; ++s) {
        left_bytes_[s] += sections_.bytes[piece];
        ++left_[s];
        if (s < last) ++crossing_[s];
      }
    }
    for (; raised_.size() > raised; raised_.pop_back()) {
      lowest_[raised_.back().piece] = raised_.back().from;
    }
  }

  [[nodiscard]] bool is_late() const {
    constexpr std::uint64_t nodes_a_look = 64;
    return nodes_ % nodes_a_look == 0 && limits_.deadline != clock::time_point::max() &&
           clock::now() >= limits_.deadline;
  }

  const Sections& sections_;
  byte_count capacity_ = 0;
  Limits limits_;
  std::uint64_t nodes_ = 0;
  std::vector<std::uint32_t> rank_;                  ///< piece -> its place in the order, from 1
  std::vector<byte_count> lowest_;                   ///< piece -> what is below it ends here
  std::vector<char> is_placed_;                      ///< by piece
  std::vector<std::vector<std::uint32_t>> members_;  ///< section -> its pieces, by rank
  std::vector<std::uint32_t> witness_;               ///< section -> one that lay low enough
  std::vector<byte_count> left_bytes_;               ///< section -> bytes not placed
  std::vector<std::uint32_t> left_;                  ///< section -> pieces not placed
  std::vector<std::uint32_t> crossing_;  ///< section -> pieces not placed that go on in the next
  std::array<std::uint32_t, 4> culprits_{};  ///< sections that left no room last
  std::vector<std::uint32_t> list_;          ///< what is left, level by level
  std::vector<Candidate> candidates_;        ///< the same
  std::vector<std::uint32_t> placed_;
  std::vector<Raised> raised_;
};

}  // namespace reprise::inline v0::arena
