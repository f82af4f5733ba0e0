// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Pieces from the bottom up, each in the lowest valley.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <queue>
#include <reprise/core/units.hpp>
#include <reprise/program/arena/piece_index.hpp>
#include <reprise/program/arena/sections.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0::arena {

/// Builds a layout from the bottom up. The skyline is how high each section is filled; into the
/// lowest of its valleys goes the first piece, by a given priority, that lies within it, and where
/// none does, the valley is filled to the lower of its sides. About n log n.
class Skyline {
 public:
  /// Borrows the sections.
  explicit Skyline(const Sections& sections)
      : sections_(sections), index_(sections.ranges), valleys_(sections.size()) {}

  /// Places all pieces.
  /// @param priorities piece -> how early it is chosen, above 0
  /// @param[out] offsets piece -> where it lies
  void place(std::span<const double> priorities, std::span<byte_count> offsets) {
    if (sections_.size() == 0) return;
    index_.fill(priorities);
    lowest_ = {};
    put({.first = 0, .last = sections_.size() - 1}, 0, none);
    for (std::size_t left = offsets.size(); left > 0;) {
      const std::uint32_t valley = next();
      const SectionRange range{valley, valleys_[valley].last};
      const std::uint32_t piece = index_.best(range);
      if (piece == PieceIndex::none) {
        fill(valley);
      } else {
        offsets[piece] = valleys_[valley].height;
        index_.erase(piece);
        cover(valley, piece);
        --left;
      }
    }
  }

  /// What all of it took so far, in looks at pieces and valleys.
  [[nodiscard]] std::uint64_t steps() const noexcept { return steps_ + index_.steps(); }

 private:
  static constexpr std::uint32_t none = 0xFFFFFFFFU;

  /// Sections of one height, called by the first of them.
  struct Valley {
    std::uint32_t last = 0;
    std::uint32_t before = none;  ///< the valley to the left
    byte_count height = 0;
    bool is_there = false;
  };

  void put(SectionRange range, byte_count height, std::uint32_t before) {
    valleys_[range.first] = {
        .last = range.last, .before = before, .height = height, .is_there = true};
    lowest_.emplace(height, range.first);
  }

  [[nodiscard]] std::uint32_t after(std::uint32_t valley) const {
    const std::uint32_t next = valleys_[valley].last + 1;
    return next < sections_.size() ? next : none;
  }

  // The queue has valleys that are gone or have been filled up since, too.
  std::uint32_t next() {
    for (;;) {
      ++steps_;
      const auto [height, valley] = lowest_.top();
      lowest_.pop();
      if (valleys_[valley].is_there && valleys_[valley].height == height) return merge(valley);
    }
  }

  // With neighbours of its height.
  std::uint32_t merge(std::uint32_t valley) {
    const byte_count height = valleys_[valley].height;
    for (std::uint32_t right = after(valley); right != none && valleys_[right].height == height;
         right = after(valley)) {
      swallow(valley, right);
    }
    for (std::uint32_t left = valleys_[valley].before;
         left != none && valleys_[left].height == height; left = valleys_[valley].before) {
      swallow(left, valley);
      valley = left;
    }
    return valley;
  }

  void swallow(std::uint32_t valley, std::uint32_t right) {
    ++steps_;
    valleys_[right].is_there = false;
    valleys_[valley].last = valleys_[right].last;
    if (const std::uint32_t next = after(valley); next != none) valleys_[next].before = valley;
  }

  // While pieces are left, some valley has a side: at the whole width, each piece fits.
  void fill(std::uint32_t valley) {
    byte_count height = unlimited_bytes;
    for (const std::uint32_t side : {valleys_[valley].before, after(valley)}) {
      if (side != none) height = std::min(height, valleys_[side].height);
    }
    valleys_[valley].height = height;
    const std::uint32_t merged = merge(valley);
    lowest_.emplace(height, merged);
  }

  void cover(std::uint32_t valley, std::uint32_t piece) {
    const SectionRange range = sections_.ranges[piece];
    const std::uint32_t end = valleys_[valley].last;
    const std::uint32_t right = after(valley);
    const byte_count height = valleys_[valley].height;
    std::uint32_t before = valleys_[valley].before;
    if (range.first > valley) {
      put({valley, range.first - 1}, height, before);
      before = valley;
    }
    put(range, height + sections_.bytes[piece], before);
    before = range.first;
    if (range.last < end) {
      put({range.last + 1, end}, height, before);
      before = range.last + 1;
    }
    if (right != none) valleys_[right].before = before;
  }

  using Low = std::pair<byte_count, std::uint32_t>;

  const Sections& sections_;
  PieceIndex index_;
  std::vector<Valley> valleys_;  ///< by their first section
  std::priority_queue<Low, std::vector<Low>, std::greater<>> lowest_;
  std::uint64_t steps_ = 0;
};

}  // namespace reprise::inline v0::arena
