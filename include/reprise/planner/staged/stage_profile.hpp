// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How far each stage is over its budget, under changes of whole ranges.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

namespace reprise::inline v0::staged {

/// For each stage its bytes less its budget, and the sum of what is above 0.
///
/// Blocks of stages with an offset of their own: a block that stays below its budget takes a change
/// of all of it in constant time. Whole bytes are exact to 2^53.
class StageProfile {
 public:
  static constexpr std::size_t block_size = 32;  ///< stages

  /// All stages at height 0.
  explicit StageProfile(std::size_t stages) : StageProfile(std::vector<double>(stages, 0.0)) {}
  explicit StageProfile(std::vector<double> heights)
      : stages_(heights.size()),
        heights_(std::move(heights)),
        blocks_(padded(stages_) / block_size) {
    heights_.resize(padded(stages_), lowest);
    for (std::size_t b = 0; b < blocks_.size(); ++b) recount(b);
  }

  /// Stages.
  [[nodiscard]] std::size_t size() const noexcept { return stages_; }
  /// The height of a stage: above 0 it is over its budget.
  [[nodiscard]] double operator[](std::size_t stage) const noexcept {
    return heights_[stage] + blocks_[stage / block_size].offset;
  }
  /// The sum of all heights above 0, but for rounding where sums pass 2^53.
  [[nodiscard]] double violation() const noexcept { return violated_ == 0 ? 0.0 : violation_; }
  /// How many stages are above 0.
  [[nodiscard]] std::size_t violated_count() const noexcept {
    return static_cast<std::size_t>(violated_);
  }

  /// Adds to the stages from `first` up to, not including, `last`.
  void add(std::size_t first, std::size_t last, double bytes) noexcept {
    while (first < last) {
      const std::size_t b = first / block_size;
      const std::size_t end = std::min(last, (b + 1) * block_size);
      if (first == b * block_size && end == first + block_size) {
        shift(b, bytes);
      } else {
        for (std::size_t s = first; s < end; ++s) heights_[s] += bytes;
        recount(b);
      }
      first = end;
    }
  }

  /// Adds to one stage.
  void add(std::size_t stage, double bytes) noexcept {
    Block& block = blocks_[stage / block_size];
    const double before = (*this)[stage];
    heights_[stage] += bytes;
    const double after = (*this)[stage];
    const double growth = std::max(after, 0.0) - std::max(before, 0.0);
    block.violation += growth;
    violation_ += growth;
    if ((after > 0) != (before > 0)) {
      block.violated += after > 0 ? 1 : -1;
      violated_ += after > 0 ? 1 : -1;
    }
    if (after >= block.highest) {
      block.highest = after;
    } else if (before == block.highest) {
      recount(stage / block_size);
    }
  }

  /// By how much the violation would grow under the same change; stops counting past `limit`.
  [[nodiscard]] double growth(std::size_t first, std::size_t last, double bytes,
                              double limit) const noexcept {
    double grown = 0;
    while (first < last && grown <= limit) {
      const std::size_t b = first / block_size;
      const std::size_t end = std::min(last, (b + 1) * block_size);
      if (blocks_[b].highest + bytes > 0) grown += growth_within(b, first, end, bytes);
      first = end;
    }
    return grown;
  }

  /// The violated stage with number `index`, below `violated_count()`. Linear in blocks.
  [[nodiscard]] std::size_t violated(std::size_t index) const noexcept {
    auto left = static_cast<std::int64_t>(index);
    std::size_t b = 0;
    while (blocks_[b].violated <= left) left -= blocks_[b++].violated;
    for (std::size_t s = b * block_size;; ++s) {
      if ((*this)[s] > 0 && left-- == 0) return s;
    }
  }

  /// The first of the highest stages.
  [[nodiscard]] std::size_t highest() const noexcept {
    std::size_t best = 0;
    for (std::size_t b = 1; b < blocks_.size(); ++b) {
      if (blocks_[b].highest > blocks_[best].highest) best = b;
    }
    for (std::size_t s = best * block_size;; ++s) {
      if ((*this)[s] == blocks_[best].highest) return s;
    }
  }

 private:
  static constexpr std::size_t lanes = 4;
  static constexpr double lowest = -std::numeric_limits<double>::max() / 4;

  struct Block {
    double offset = 0;
    double highest = lowest;
    double violation = 0;
    std::int64_t violated = 0;
  };

  [[nodiscard]] static std::size_t padded(std::size_t stages) noexcept {
    return (stages + block_size - 1) / block_size * block_size;
  }

  void shift(std::size_t b, double bytes) noexcept {
    Block& block = blocks_[b];
    block.offset += bytes;
    if (block.highest <= 0 && block.highest + bytes <= 0) {
      block.highest += bytes;
    } else {
      recount(b);
    }
  }

  void recount(std::size_t b) noexcept {
    Block& block = blocks_[b];
    violation_ -= block.violation;
    violated_ -= block.violated;
    std::array<double, block_size> heights;
    for (std::size_t i = 0; i < block_size; ++i) {
      heights[i] = heights_[b * block_size + i] + block.offset;
    }
    std::array<double, block_size> high = heights;
    block.highest = folded(high, [](double x, double y) { return std::max(x, y); });
    block.violation = 0;
    block.violated = 0;
    if (block.highest <= 0) return;
    std::array<double, block_size> counts;
    for (std::size_t i = 0; i < block_size; ++i) {
      counts[i] = heights[i] > 0 ? 1.0 : 0.0;
      heights[i] = std::max(heights[i], 0.0);
    }
    block.violation = folded(heights, std::plus<>{});
    block.violated = static_cast<std::int64_t>(folded(counts, std::plus<>{}));
    violation_ += block.violation;
    violated_ += block.violated;
  }

  // By halves, as the compiler may not reorder operations on doubles itself.
  template <std::size_t half = block_size / 2, class Operation>
  static double folded(std::array<double, block_size>& list, Operation both) noexcept {
    for (std::size_t i = 0; i < half; ++i) list[i] = both(list[i], list[i + half]);
    if constexpr (half > 1) return folded<half / 2>(list, both);
    return list[0];
  }

  [[nodiscard]] double growth_within(std::size_t b, std::size_t first, std::size_t end,
                                     double bytes) const noexcept {
    const double offset = blocks_[b].offset;
    const double* const heights = heights_.data();
    std::array<double, lanes> grown{};
    std::size_t s = first;
    for (; s + lanes <= end; s += lanes) {
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        const double height = heights[s + lane] + offset;
        grown[lane] += std::max(height + bytes, 0.0) - std::max(height, 0.0);
      }
    }
    for (; s < end; ++s) {
      const double height = heights[s] + offset;
      grown[0] += std::max(height + bytes, 0.0) - std::max(height, 0.0);
    }
    return grown[0] + grown[1] + grown[2] + grown[3];
  }

  std::size_t stages_;
  std::vector<double> heights_;
  std::vector<Block> blocks_;
  double violation_ = 0;
  std::int64_t violated_ = 0;
};

}  // namespace reprise::inline v0::staged
