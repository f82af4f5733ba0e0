// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The layout of an arena: the first answers, and a search that improves on them.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <iterator>
#include <limits>
#include <memory>
#include <numeric>
#include <reprise/core/units.hpp>
#include <reprise/program/arena/best_fit.hpp>
#include <reprise/program/arena/part_search.hpp>
#include <reprise/program/arena/piece.hpp>
#include <reprise/program/arena/sections.hpp>
#include <reprise/program/arena/skyline.hpp>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

namespace reprise::inline v0::arena {

/// How long a search goes on once a layout is there.
struct SlabEffort {
  double seconds = 0;       ///< if no number of tries is given
  std::uint64_t tries = 0;  ///< if not 0
  std::uint64_t seed = 0;   ///< of random choices
  unsigned threads = 1;     ///< at most, which changes nothing else
  byte_count goal = 0;      ///< if not 0: less is of no use, nor is what needs more
};

/// Places pieces: best fit and from the bottom up, by several orders each, then a search in the
/// part that needs most, until it needs no more than is there at once.
class SlabSearch {
 public:
  /// n log n.
  explicit SlabSearch(std::span<const Piece> pieces)
      : offsets(pieces.size(), 0),
        pieces_(filled(pieces)),
        places_(filled_places(pieces)),
        sections_(pieces_),
        trial_(pieces_.size(), 0) {
    divide();
  }

  std::vector<byte_count> offsets;  ///< piece -> where it lies; what is empty lies at 0

  /// Bytes that the layout needs.
  [[nodiscard]] byte_count high_water() const { return pieces_.empty() ? 0 : worst().high_water; }

  void run(const SlabEffort& effort) {
    if (pieces_.empty()) return;
    bound_ = std::ranges::max(sections_.live);
    enough_ = std::max(bound_, std::min(effort.goal, unlimited_bytes - 1));  // of no part yet
    build();
    pack();
    improve(effort);
  }

 private:
  using clock = std::chrono::steady_clock;
  static constexpr std::uint64_t most_steps = 4'000'000;  ///< of one order's best fit

  static constexpr std::size_t lane_count = 2;  ///< searches of one part, side by side
  static constexpr std::size_t least_pieces_of_two_threads = 50;
  static constexpr std::uint64_t tries_at_once = 4;  ///< of each, before they share what they found

  /// One search of a part, and the best that it knows of.
  struct Lane {
    std::unique_ptr<PartSearch> search{};
    byte_count high_water = 0;
    std::vector<byte_count> offsets{};  ///< of that, if it is its own
  };

  /// Pieces that meet no others in time.
  struct Part {
    std::vector<std::uint32_t> pieces{};
    byte_count high_water = unlimited_bytes;
    std::vector<Lane> lanes{};
  };

  [[nodiscard]] static std::vector<Piece> filled(std::span<const Piece> pieces) {
    std::vector<Piece> kept;
    std::ranges::copy_if(pieces, std::back_inserter(kept), std::identity{}, &Piece::bytes);
    return kept;
  }
  [[nodiscard]] static std::vector<std::uint32_t> filled_places(std::span<const Piece> pieces) {
    std::vector<std::uint32_t> places;
    for (std::uint32_t p = 0; p < pieces.size(); ++p) {
      if (pieces[p].bytes > 0) places.push_back(p);
    }
    return places;
  }

  void divide() {
    std::vector<std::uint32_t> part_of(sections_.size(), 0);
    const std::vector<SectionRange> ranges = sections_.separate();
    parts_.resize(ranges.size());
    for (std::uint32_t i = 0; i < ranges.size(); ++i) {
      for (std::uint32_t s = ranges[i].first; s <= ranges[i].last; ++s) part_of[s] = i;
    }
    for (std::uint32_t p = 0; p < pieces_.size(); ++p) {
      parts_[part_of[sections_.ranges[p].first]].pieces.push_back(p);
    }
  }

  void build() {
    Skyline skyline(sections_);
    std::vector<double> priorities(pieces_.size());
    const auto by = [&](auto priority) {
      if (is_done()) return;
      for (std::size_t p = 0; p < pieces_.size(); ++p) {
        const auto& [first, last] = sections_.ranges[p];
        priorities[p] = priority(last - first + 1.0, static_cast<double>(pieces_[p].bytes));
      }
      skyline.place(priorities, trial_);
      consider();
    };
    const double more = static_cast<double>(std::ranges::max(sections_.bytes)) + 1;
    by([&](double width, double bytes) { return width + bytes / more; });
    by([](double width, double bytes) { return width * bytes; });
    by([](double width, double bytes) { return width * std::sqrt(bytes); });
  }

  void pack() {
    if (is_done()) return;
    Packing packing(pieces_);
    const auto by = [&](auto key) {
      if (is_done()) return;
      std::vector<std::uint32_t> order(pieces_.size());
      std::iota(order.begin(), order.end(), 0U);
      std::ranges::stable_sort(order, std::ranges::greater{},
                               [&](std::uint32_t p) { return key(pieces_[p]); });
      if (packing.place(order, trial_, most_steps)) consider();
    };
    by([](const Piece& p) { return std::pair(p.bytes, p.last - p.first); });
    by([](const Piece& p) { return std::pair(p.last - p.first, p.bytes); });
    by([](const Piece& p) { return static_cast<double>(p.bytes) * (p.last - p.first + 1.0); });
    by([](const Piece& p) { return std::pair(~p.first, p.bytes); });
  }

  // Each part takes over what is better there.
  void consider() {
    for (Part& part : parts_) {
      byte_count top = 0;
      for (const std::uint32_t p : part.pieces) top = std::max(top, trial_[p] + pieces_[p].bytes);
      if (top >= part.high_water) continue;
      part.high_water = top;
      for (const std::uint32_t p : part.pieces) offsets[places_[p]] = trial_[p];
    }
  }

  void improve(const SlabEffort& effort) {
    const bool counts = effort.tries > 0;
    const clock::time_point deadline =
        counts ? clock::time_point::max() : clock::now() + limited(effort.seconds);
    std::uint64_t left = counts ? effort.tries : std::numeric_limits<std::uint64_t>::max();
    while (!is_done() && left > 0 && (counts || clock::now() < deadline)) {
      Part& part = worst();
      if (part.lanes.empty()) start(part, effort.seed);
      const byte_count least = std::max(bound_, lower_bound(part));
      const bool is_hopeless = effort.goal > 0 && least > effort.goal;
      if (least >= part.high_water || is_hopeless) return;
      const std::uint64_t tries = std::min<std::uint64_t>(left, lane_count * tries_at_once);
      search(part, tries, deadline, effort.threads);
      left -= tries;
    }
  }

  void search(Part& part, std::uint64_t tries, clock::time_point deadline, unsigned threads) {
    const byte_count bound = std::max(bound_, lower_bound(part));
    const auto run = [&](std::size_t i) {
      Lane& lane = part.lanes[i];
      lane.high_water = part.high_water;
      for (std::uint64_t t = i; t < tries && lane.high_water > bound; t += lane_count) {
        const auto found = lane.search->attempt(bound, lane.high_water, deadline);
        if (lane.search->lower_bound >= lane.high_water) return;
        if (!found) continue;
        lane.high_water = *found;
        lane.offsets = lane.search->offsets;
      }
    };
    std::future<void> other;
    if (threads > 1 && tries > 1 && part.pieces.size() >= least_pieces_of_two_threads) {
      try {
        other = std::async(std::launch::async, run, 1);
      } catch (const std::system_error&) {  // no thread is to be had
      }
    }
    run(0);
    if (other.valid()) {
      other.get();
    } else {
      run(1);
    }
    for (const Lane& lane : part.lanes) take(part, lane);
  }

  void take(Part& part, const Lane& lane) {
    if (lane.high_water >= part.high_water) return;
    part.high_water = lane.high_water;
    for (std::size_t j = 0; j < part.pieces.size(); ++j) {
      offsets[places_[part.pieces[j]]] = lane.offsets[j];
    }
  }

  [[nodiscard]] static byte_count lower_bound(const Part& part) {
    byte_count most = 0;
    for (const Lane& lane : part.lanes) most = std::max(most, lane.search->lower_bound);
    return most;
  }

  void start(Part& part, std::uint64_t seed) const {
    std::vector<Piece> pieces;
    pieces.reserve(part.pieces.size());
    for (const std::uint32_t p : part.pieces) pieces.push_back(pieces_[p]);
    for (std::uint64_t i = 0; i < lane_count; ++i) {
      part.lanes.push_back({.search = std::make_unique<PartSearch>(pieces, seed * lane_count + i)});
    }
  }

  // A year is enough, and no clock overflows.
  [[nodiscard]] static clock::duration limited(double seconds) {
    constexpr double most = 365.0 * 24 * 3600;
    return std::chrono::duration_cast<clock::duration>(
        std::chrono::duration<double>(std::clamp(seconds, 0.0, most)));
  }

  [[nodiscard]] bool is_done() const { return worst().high_water <= enough_; }
  [[nodiscard]] const Part& worst() const {
    return *std::ranges::max_element(parts_, {}, &Part::high_water);
  }
  [[nodiscard]] Part& worst() { return *std::ranges::max_element(parts_, {}, &Part::high_water); }

  std::vector<Piece> pieces_;          ///< that are not empty
  std::vector<std::uint32_t> places_;  ///< such a piece -> its place among all
  Sections sections_;
  std::vector<Part> parts_;
  std::vector<byte_count> trial_;
  byte_count bound_ = 0;   ///< no layout needs less
  byte_count enough_ = 0;  ///< a layout that needs more is to be improved
};

}  // namespace reprise::inline v0::arena
