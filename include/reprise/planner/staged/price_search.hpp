// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The price of a byte at which an instant's choice just fits.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <reprise/planner/staged/instant_cut.hpp>
#include <reprise/planner/staged/search_random.hpp>
#include <reprise/planner/staged/staged_plan.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0::staged {

/// What was found at one instant.
struct InstantChoice {
  /// The reruns of the cheapest choice seen that fits, latest operation first; empty without one.
  std::vector<Placement> reruns{};
  bool fits = false;                                      ///< a choice was seen that does
  double cost = std::numeric_limits<double>::infinity();  ///< by the measure of the cut
  /// The best proof of what any plan costs, see `InstantCut::bound`.
  double bound = 0;
};

/// Finds what to keep at one instant of a plan.
///
/// First it halves the range of prices, on a logarithmic scale, until two neighbours are left: at
/// one too much is kept, at the other perhaps too little, as a whole row of equal layers goes at
/// one price. Then a part of the storages gets the higher price, in several orders, and that part
/// is as small as it can be.
class PriceSearch {
 public:
  /// @param plan must outlive this
  PriceSearch(const StagedPlan& plan, stage_id instant) : cheap_(plan, instant) {
    capacity_ = cheap_.capacity();
    if (capacity_ < 0 || cheap_.size() == 0) return;
    bracket();
  }

  /// True if a choice fits.
  [[nodiscard]] bool fits() const noexcept { return best_.fits; }
  /// @param order of storages by their number, below `priced_count`; the first are given up first
  void refine(std::span<const std::uint32_t> order) {
    if (!is_open_) return;
    cheap_.halve(order, low_, high_, [this](const InstantCut& cut) { return consider(cut); });
  }
  /// The number of storages that are still in question: at both prices the others go the same way.
  [[nodiscard]] std::size_t priced_count() const noexcept { return cheap_.priced_count(); }
  /// What was found so far.
  [[nodiscard]] const InstantChoice& best() const noexcept { return best_; }

 private:
  static constexpr double widest = 1e6;
  static constexpr int halvings = 18;

  void bracket() {
    low_ = cheap_.typical_price() / widest;
    high_ = cheap_.typical_price() * widest;
    cheap_.solve(low_);
    if (note(cheap_)) return;
    cheap_.settle_below();
    for (int i = 0; i <= halvings; ++i) {
      const double price = i == 0 ? high_ : std::sqrt(low_ * high_);
      InstantCut cut = cheap_;
      cut.solve(price);
      if (note(cut)) {
        high_ = price;
        cheap_.settle_above(cut);
      } else if (i == 0) {
        return;
      } else {
        low_ = price;
        cheap_ = std::move(cut);
        cheap_.settle_below();
      }
    }
    is_open_ = true;
  }

  bool note(const InstantCut& cut) {
    best_.bound = std::max(best_.bound, cut.bound());
    return consider(cut);
  }
  bool consider(const InstantCut& cut) {
    if (cut.kept_bytes() > capacity_) return false;
    const double cost = cut.recomputed_cost();
    if (cost >= best_.cost) return true;
    best_.cost = cost;
    best_.reruns = cut.reruns();
    best_.fits = true;
    return true;
  }

  InstantCut cheap_;
  double capacity_ = 0;
  double low_ = 0;
  double high_ = 0;
  bool is_open_ = false;
  InstantChoice best_;
};

/// The best choice at an instant with storages given up from the first on, from the last on, and in
/// some random orders.
[[nodiscard]] inline InstantChoice choose_at(const StagedPlan& plan, stage_id instant,
                                             int random_orders = 2) {
  PriceSearch search(plan, instant);
  std::vector<std::uint32_t> order(search.priced_count());
  std::iota(order.begin(), order.end(), 0U);
  search.refine(order);
  std::ranges::reverse(order);
  search.refine(order);
  SearchRandom random(instant);
  for (int i = 0; i < random_orders; ++i) {
    shuffle(order, random);
    search.refine(order);
  }
  return search.best();
}

}  // namespace reprise::inline v0::staged
