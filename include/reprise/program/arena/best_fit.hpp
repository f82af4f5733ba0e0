// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Blocks one after another, each in the smallest gap.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <reprise/core/units.hpp>
#include <reprise/program/arena/piece.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0::arena {

/// Places pieces one after another, each where those that overlap it in time leave room.
class Packing {
 public:
  explicit Packing(std::span<const Piece> pieces) : pieces_(pieces) {
    std::uint32_t end = 0;
    std::uint64_t moments = 0;
    for (const Piece& piece : pieces) {
      end = std::max(end, piece.last + 1);
      moments += piece.last - piece.first + 1U;
    }
    // As wide as they are long in the mean, so that one is in two of them or so.
    if (!pieces.empty()) width_ = static_cast<std::uint32_t>(moments / pieces.size());
    slots_.resize(end / width_ + 1);
    seen_.assign(pieces.size(), 0);
  }

  /// Places all in an order. About linear in pieces times those that overlap one.
  /// @param most_steps how many that may overlap are looked at; then it gives up
  /// @returns whether it placed all
  [[nodiscard]] bool place(std::span<const std::uint32_t> order, std::vector<byte_count>& offsets,
                           std::uint64_t most_steps) {
    for (std::vector<std::uint32_t>& slot : slots_) slot.clear();
    steps_ = 0;
    for (const std::uint32_t p : order) {
      offsets[p] = best_fit(p, offsets);
      if (steps_ > most_steps) return false;
      for (std::uint32_t s = pieces_[p].first / width_; s <= pieces_[p].last / width_; ++s) {
        slots_[s].push_back(p);
      }
    }
    return true;
  }

 private:
  // The smallest gap that is large enough; above everything, if there is none.
  byte_count best_fit(std::uint32_t p, const std::vector<byte_count>& offsets) {
    gather(p, offsets);
    byte_count best = 0;
    byte_count best_gap = unlimited_bytes;
    byte_count end = 0;
    for (const auto& [offset, bytes] : taken_) {
      if (offset > end && offset - end >= pieces_[p].bytes && offset - end < best_gap) {
        best_gap = offset - end;
        best = end;
      }
      end = std::max(end, offset + bytes);
    }
    return best_gap == unlimited_bytes ? end : best;
  }

  void gather(std::uint32_t p, const std::vector<byte_count>& offsets) {
    taken_.clear();
    ++visit_;
    const Piece& piece = pieces_[p];
    for (std::uint32_t s = piece.first / width_; s <= piece.last / width_; ++s) {
      steps_ += slots_[s].size() + 1;
      for (const std::uint32_t other : slots_[s]) {
        if (seen_[other] == visit_) continue;
        seen_[other] = visit_;
        if (pieces_[other].first > piece.last || pieces_[other].last < piece.first) continue;
        taken_.emplace_back(offsets[other], pieces_[other].bytes);
      }
    }
    std::ranges::sort(taken_);
  }

  std::span<const Piece> pieces_;
  std::uint32_t width_ = 1;
  std::vector<std::vector<std::uint32_t>> slots_;
  std::vector<std::uint64_t> seen_;
  std::uint64_t visit_ = 0;
  std::uint64_t steps_ = 0;
  std::vector<std::pair<byte_count, byte_count>> taken_;
};

}  // namespace reprise::inline v0::arena
