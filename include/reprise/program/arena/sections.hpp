// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Time, cut down to the moments that decide.

#include <algorithm>
#include <cstdint>
#include <reprise/core/units.hpp>
#include <reprise/program/arena/piece.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0::arena {

/// A run of sections, both ends included.
struct SectionRange {
  std::uint32_t first;
  std::uint32_t last;
};

/// Pieces by sections: what is there between one release and the next that something follows. Two
/// pieces meet in time if and only if they meet in a section, so that nothing else of time matters.
class Sections {
 public:
  /// Linear in pieces and moments between the first one and the last.
  explicit Sections(std::span<const Piece> pieces) {
    if (pieces.empty()) return;
    const std::vector<std::uint32_t> section_of = number(pieces);
    ranges.reserve(pieces.size());
    bytes.reserve(pieces.size());
    live.assign(section_of.back() + 1U, 0);
    for (const Piece& piece : pieces) {
      ranges.push_back({section_of[piece.first - begin_], section_of[piece.last - begin_]});
      bytes.push_back(piece.bytes);
    }
    sum_up();
  }

  std::vector<SectionRange> ranges{};  ///< piece -> the sections in which it is there
  std::vector<byte_count> bytes{};     ///< piece -> its bytes
  std::vector<byte_count> live{};      ///< section -> the bytes of all pieces in it

  /// The number of sections.
  [[nodiscard]] std::uint32_t size() const noexcept {
    return static_cast<std::uint32_t>(live.size());
  }

  /// Runs of sections that no piece leaves: each can be placed alone.
  [[nodiscard]] std::vector<SectionRange> separate() const {
    std::vector<std::uint32_t> reach(size(), 0);
    for (const auto& [first, last] : ranges) reach[first] = std::max(reach[first], last);
    std::vector<SectionRange> parts;
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    for (std::uint32_t s = 0; s < size(); ++s) {
      end = std::max(end, reach[s]);
      if (s != end) continue;
      parts.push_back({begin, s});
      begin = end = s + 1;
    }
    return parts;
  }

 private:
  // A section begins with the first thing made after a release.
  std::vector<std::uint32_t> number(std::span<const Piece> pieces) {
    begin_ = std::ranges::min(pieces, {}, &Piece::first).first;
    const std::uint32_t end = std::ranges::max(pieces, {}, &Piece::last).last;
    std::vector<char> makes(end - begin_ + 2U, 0);
    std::vector<char> releases(makes.size(), 0);
    for (const Piece& piece : pieces) {
      makes[piece.first - begin_] = 1;
      releases[piece.last - begin_ + 1U] = 1;
    }
    std::vector<std::uint32_t> section_of(makes.size(), 0);
    std::uint32_t section = 0;
    bool is_released = false;
    for (std::size_t t = 0; t < makes.size(); ++t) {
      is_released = is_released || releases[t] != 0;
      if (makes[t] != 0 && std::exchange(is_released, false)) ++section;
      section_of[t] = section;
    }
    return section_of;
  }

  void sum_up() {
    std::vector<byte_count> ended(live.size() + 1, 0);
    for (std::size_t p = 0; p < ranges.size(); ++p) {
      live[ranges[p].first] += bytes[p];
      ended[ranges[p].last + 1U] += bytes[p];
    }
    for (std::size_t s = 1; s < live.size(); ++s) live[s] += live[s - 1] - ended[s];
  }

  std::uint32_t begin_ = 0;
};

}  // namespace reprise::inline v0::arena
