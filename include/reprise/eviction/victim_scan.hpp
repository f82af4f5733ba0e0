// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Finds the value to evict where a score says nothing of how it moves.

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// Looks at all entries in the order in which they joined: for policies whose score is opaque.
///
/// Chooses the lowest score; of equal ones the latest; the first score of exactly 0 ends the
/// search. Linear in the number of entries.
class VictimScan {
 public:
  static constexpr std::uint32_t nobody = 0xFFFFFFFFU;  ///< no entry

  /// Entries that can be chosen.
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Adds an entry, at the end of the order if its place in it is new.
  void set(std::uint32_t entry, std::uint64_t joined) {
    if (entry >= joined_.size()) joined_.resize(entry + 1, absent);
    if (joined_[entry] == joined) return;
    if (joined_[entry] == absent) ++size_;
    joined_[entry] = joined;
    order_.emplace_back(entry, joined);
    if (order_.size() > 2 * size_ + 64) close_gaps();
  }

  /// Removes an entry; nothing happens if it is not there.
  void erase(std::uint32_t entry) {
    if (entry >= joined_.size() || joined_[entry] == absent) return;
    joined_[entry] = absent;
    --size_;
  }

  /// The entry with the lowest score; `nobody` if there is none.
  /// @param score of an entry, a double
  template <class F>
  [[nodiscard]] std::uint32_t choose(F&& score) const {
    std::uint32_t best = nobody;
    double lowest = 0;
    for (const auto& [entry, joined] : order_) {
      if (joined_[entry] != joined) continue;
      const double its = score(entry);
      if (best != nobody && its > lowest) continue;
      best = entry;
      lowest = its;
      if (its == 0) break;
    }
    return best;
  }

 private:
  static constexpr std::uint64_t absent = ~std::uint64_t{0};

  void close_gaps() {
    std::erase_if(order_, [&](const auto& place) { return joined_[place.first] != place.second; });
  }

  std::vector<std::pair<std::uint32_t, std::uint64_t>> order_;
  std::vector<std::uint64_t> joined_;
  std::size_t size_ = 0;
};

}  // namespace reprise::inline v0
