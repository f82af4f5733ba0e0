// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A search for a better layout of what can be placed alone.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <random>
#include <reprise/core/units.hpp>
#include <reprise/program/arena/fit_search.hpp>
#include <reprise/program/arena/piece.hpp>
#include <reprise/program/arena/sections.hpp>
#include <reprise/program/arena/skyline.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0::arena {

/// The k-th number, from 1, of 1 1 2 1 1 2 4 1 1 2 ...: how long restarts should go on whose length
/// nobody knows.
[[nodiscard]] constexpr std::uint64_t restart_length(std::uint64_t k) noexcept {
  while (!std::has_single_bit(k + 1)) k -= std::bit_floor(k) - 1;
  return (k + 1) / 2;
}

/// Tries restarts one after another: depth first within a capacity, by orders that differ, and now
/// and then from the bottom up, by priorities that climb. Many pieces are placed from the bottom up
/// only.
class PartSearch {
 public:
  using clock = FitSearch::clock;  ///< of its deadline

  static constexpr std::size_t most_pieces = 2000;  ///< that are searched depth first

  /// @param pieces all within one part, none empty
  PartSearch(std::span<const Piece> pieces, std::uint64_t seed)
      : sections_(pieces), skyline_(sections_), random_(seed), keys_(pieces.size()) {
    offsets.assign(pieces.size(), 0);
    lower_bound = std::ranges::max(sections_.live);
    if (pieces.size() <= most_pieces) fit_.emplace(sections_);
    for (std::size_t p = 0; p < pieces.size(); ++p) {
      const auto [first, last] = sections_.ranges[p];
      byte_count crowd = 0;
      for (std::uint32_t s = first; fit_ && s <= last; ++s) {
        crowd = std::max(crowd, sections_.live[s]);
      }
      // In sections, so that actions which need no memory change nothing.
      const double time = static_cast<double>(last - first) + 1;
      keys_[p] = {static_cast<double>(crowd), time, time * static_cast<double>(pieces[p].bytes)};
      unit_ = std::gcd(unit_, pieces[p].bytes);
    }
  }

  std::vector<byte_count> offsets{};  ///< of the last layout found
  byte_count lower_bound = 0;         ///< no layout needs less

  /// One restart.
  /// @param goal less than this is of no use
  /// @param high_water what the best layout needs
  /// @returns what the layout needs that it found, less than the best; or nothing
  std::optional<byte_count> attempt(byte_count goal, byte_count high_water,
                                    clock::time_point deadline) {
    const std::uint64_t number = attempts_++;
    if (!fit_ || number % skyline_turn == skyline_turn - 1) return build(high_water);
    const std::uint64_t round = number / order_keys.size();
    const byte_count low = std::max(goal, lower_bound);
    // A tight capacity cuts more off: what is harder to reach is often found sooner. It is tried
    // half of the time.
    const byte_count step = round % 2 == 0 ? 0 : (high_water - low) / 8 * (1 + random_() % 7);
    const byte_count capacity = std::min(low + step, high_water - unit_);
    const std::uint64_t nodes = (500 + 2 * keys_.size()) * restart_length(round + 1);
    const Fit fit = fit_->run(capacity, next_order(number), {.nodes = nodes, .deadline = deadline});
    if (fit == Fit::impossible) lower_bound = capacity / unit_ * unit_ + unit_;
    if (fit != Fit::found) return std::nullopt;
    offsets = fit_->offsets;
    return top();
  }

 private:
  static constexpr std::uint64_t skyline_turn = 8;
  /// What decides in an order, the first first: how hard a piece seems to place (at first the most
  /// that is there at once beside it), how long it is there, and that times its bytes.
  static constexpr std::array<std::array<std::size_t, 3>, 4> order_keys{
      {{0, 1, 2}, {1, 2, 0}, {0, 2, 1}, {2, 1, 0}}};

  using Keys = std::array<double, 3>;

  // The first orders are by the keys as they are, later ones by keys that chance has changed.
  [[nodiscard]] std::vector<std::uint32_t> next_order(std::uint64_t number) {
    const std::array<std::size_t, 3>& chosen = order_keys[number % order_keys.size()];
    const std::uint64_t most = number < order_keys.size() ? 0 : noise();
    if (number >= order_keys.size()) learn();
    std::vector<Keys> keys(keys_.size());
    for (std::size_t p = 0; p < keys.size(); ++p) {
      for (std::size_t k = 0; k < chosen.size(); ++k)
        keys[p][k] = changed(keys_[p][chosen[k]], most);
    }
    std::vector<std::uint32_t> order(keys.size());
    std::iota(order.begin(), order.end(), 0U);
    std::ranges::sort(order, [&](std::uint32_t a, std::uint32_t b) {
      return keys[a] != keys[b] ? keys[a] > keys[b] : a < b;
    });
    return order;
  }

  // What lies where searches failed most goes before what is merely in a crowd. Failures are
  // forgotten by and by, and count by their order of magnitude.
  void learn() {
    for (std::uint64_t& failures : fit_->failures) failures -= failures / 16;
    for (std::size_t p = 0; p < keys_.size(); ++p) {
      std::uint64_t most = 1;
      for (std::uint32_t s = sections_.ranges[p].first; s <= sections_.ranges[p].last; ++s) {
        most = std::max(most, fit_->failures[s] + 1);
      }
      const auto width = static_cast<std::uint64_t>(std::bit_width(most));
      const std::uint64_t rest = width > 2 ? (most >> (width - 3)) % 4 : 0;
      keys_[p][0] = static_cast<double>(4 * width + rest);
    }
  }

  std::optional<byte_count> build(byte_count high_water) {
    std::vector<double> priorities = fit_ ? noisy_priorities() : climbing_priorities();
    skyline_.place(priorities, offsets);
    const byte_count found = top();
    if (found <= climbed_top_) {
      climbed_top_ = found;
      climbed_ = std::move(priorities);
    }
    return found < high_water ? std::optional(found) : std::nullopt;
  }

  [[nodiscard]] std::vector<double> noisy_priorities() {
    const std::size_t key = random_() % 2 + 1;
    const std::uint64_t most = noise();
    std::vector<double> priorities(keys_.size());
    for (std::size_t p = 0; p < keys_.size(); ++p) priorities[p] = changed(keys_[p][key], most);
    return priorities;
  }

  // Where nothing is searched depth first: of the priorities that led lowest so far some are
  // changed, and kept where they lead no higher; now and then chance alone changes the keys.
  [[nodiscard]] std::vector<double> climbing_priorities() {
    if (climbed_.empty()) {
      std::vector<double> times;
      for (const Keys& keys : keys_) times.push_back(keys[1]);
      return times;
    }
    return random_() % 4 == 0 ? noisy_priorities() : changed_priorities();
  }

  // One of 1 to 128, by at most three times.
  [[nodiscard]] std::vector<double> changed_priorities() {
    constexpr double most = 0x1p200;
    constexpr std::uint64_t one = 1024;
    std::vector<double> priorities = climbed_;
    const std::uint64_t one_of = std::uint64_t{1} << (random_() % 8);
    const std::uint64_t amplitude = random_() % (2 * one);
    for (double& priority : priorities) {
      if (random_() % one_of != 0) continue;
      const std::uint64_t up = one + amplitude * (random_() % (one + 1)) / one;
      const std::uint64_t factor = random_() % 2 == 0 ? up : one * one / up;
      priority = std::clamp(priority * static_cast<double>(factor) * 0x1p-10, 1 / most, most);
    }
    return priorities;
  }

  // Small numbers are more frequent.
  [[nodiscard]] std::uint64_t noise() { return (random_() % 1024) * (random_() % 1024) / 1024; }

  // One multiplication, so that every machine rounds alike.
  [[nodiscard]] double changed(double key, std::uint64_t most) {
    if (most == 0) return key;
    return key * static_cast<double>(1025 - most + random_() % (2 * most + 1));
  }

  [[nodiscard]] byte_count top() const {
    byte_count most = 0;
    for (std::size_t p = 0; p < offsets.size(); ++p) {
      most = std::max(most, offsets[p] + sections_.bytes[p]);
    }
    return most;
  }

  Sections sections_;
  Skyline skyline_;
  std::optional<FitSearch> fit_;
  std::mt19937_64 random_;
  std::vector<Keys> keys_;
  byte_count unit_ = 0;  ///< that all bytes are multiples of
  std::uint64_t attempts_ = 0;
  std::vector<double> climbed_;  ///< priorities of the lowest layout from the bottom up
  byte_count climbed_top_ = unlimited_bytes;
};

}  // namespace reprise::inline v0::arena
