// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Finds the value to evict without looking at all of them.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <reprise/eviction/score.hpp>
#include <vector>

namespace reprise::inline v0 {

/// A kinetic tournament over scores that move with a clock: each inner node knows who wins below it
/// and until when that is sure, so that a choice replays only the matches whose time has come.
///
/// Chooses exactly what a scan over all entries in the order in which they joined would choose:
/// the lowest score, rounded to a double; of equal ones the latest, of zeros the first.
/// An entry costs O(log n) to change; a choice costs what has expired, in practice O(log n) too.
/// @tparam Score `FixedScore` or `AgeingScore`
template <class Score>
requires(std::same_as<Score, FixedScore> || std::same_as<Score, AgeingScore>) class VictimIndex {
 public:
  static constexpr std::uint32_t nobody = 0xFFFFFFFFU;  ///< no entry

  /// Entries that can be chosen.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Adds an entry or gives it another score.
  /// @param entry  a small number of the caller's choice
  /// @param joined its place in the order of joining, unique
  void set(std::uint32_t entry, const Score& score, std::uint64_t joined) {
    if (entry >= place_.size()) place_.resize(entry + 1, nobody);
    if (place_[entry] == nobody) {
      place_[entry] = take_leaf();
      ++size_;
    }
    leaves_[place_[entry]] = {.entry = entry, .score = score, .joined = joined};
    expire(place_[entry]);
  }

  /// Removes an entry; nothing happens if it is not there.
  void erase(std::uint32_t entry) {
    if (entry >= place_.size() || place_[entry] == nobody) return;
    const std::uint32_t leaf = place_[entry];
    place_[entry] = nobody;
    leaves_[leaf].entry = nobody;
    free_.push_back(leaf);
    --size_;
    expire(leaf);
  }

  /// The entry that goes first at this clock; `nobody` if there is none.
  /// @pre the clock never runs backwards, and no score began after it
  [[nodiscard]] std::uint32_t choose(std::uint64_t clock) {
    if (size_ == 0) return nobody;
    refresh(1, clock);
    return leaves_[matches_[1].winner].entry;
  }

 private:
  struct Leaf {
    std::uint32_t entry = nobody;
    Score score{};
    std::uint64_t joined = 0;
  };
  struct Match {
    std::uint32_t winner = nobody;  ///< a leaf
    bool has_expired = true;
    std::uint64_t valid_until = 0;  ///< of this match and of all below it
  };

  [[nodiscard]] std::uint32_t take_leaf() {
    if (free_.empty()) grow();
    const std::uint32_t leaf = free_.back();
    free_.pop_back();
    return leaf;
  }

  void grow() {
    const std::size_t before = leaves_.size();
    const std::size_t after = std::max<std::size_t>(2, 2 * before);
    leaves_.resize(after);
    for (std::size_t leaf = after; leaf > before; --leaf) {
      free_.push_back(static_cast<std::uint32_t>(leaf - 1));
    }
    matches_.assign(after, Match{});
  }

  void expire(std::uint32_t leaf) {
    for (std::size_t node = (leaf + matches_.size()) / 2; node >= 1; node /= 2) {
      if (matches_[node].has_expired) return;
      matches_[node].has_expired = true;
    }
  }

  struct Side {
    std::uint32_t winner;
    std::uint64_t valid_until;
  };

  // Nodes 1 .. n - 1 are matches, nodes n .. 2 n - 1 are leaves.
  Side refresh(std::size_t node, std::uint64_t clock) {
    if (node >= matches_.size()) {
      const auto leaf = static_cast<std::uint32_t>(node - matches_.size());
      return {leaves_[leaf].entry == nobody ? nobody : leaf, scoring::forever};
    }
    Match& match = matches_[node];
    if (match.has_expired || match.valid_until < clock) {
      const Side left = refresh(2 * node, clock);
      const Side right = refresh(2 * node + 1, clock);
      match = play(left, right, clock);
    }
    return {match.winner, match.valid_until};
  }

  [[nodiscard]] Match play(const Side& left, const Side& right, std::uint64_t clock) const {
    const std::uint64_t below = std::min(left.valid_until, right.valid_until);
    if (left.winner == nobody || right.winner == nobody) {
      return {left.winner == nobody ? right.winner : left.winner, false, below};
    }
    const Leaf& l = leaves_[left.winner];
    const Leaf& r = leaves_[right.winner];
    const bool left_wins = scoring::precedes(scoring::at(l.score, clock), l.joined,
                                             scoring::at(r.score, clock), r.joined);
    const Score& winner = left_wins ? l.score : r.score;
    const Score& loser = left_wins ? r.score : l.score;
    return {left_wins ? left.winner : right.winner, false,
            std::min(below, scoring::precedes_until(winner, loser, clock))};
  }

  std::vector<Leaf> leaves_;
  std::vector<Match> matches_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> place_;  ///< of each entry: its leaf
  std::size_t size_ = 0;
};

}  // namespace reprise::inline v0
