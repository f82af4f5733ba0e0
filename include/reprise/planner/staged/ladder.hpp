// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Minimum cuts at growing prices of a byte.

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <reprise/core/units.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/planner/search_watch.hpp>
#include <reprise/planner/staged/fences.hpp>
#include <reprise/planner/staged/instant_cut.hpp>
#include <reprise/planner/staged/placement.hpp>
#include <reprise/planner/staged/staged_plan.hpp>
#include <reprise/planner/staged/staged_request.hpp>
#include <reprise/program/bounds.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0::staged {

/// A plan, and where its operations run.
struct Choice {
  Plan plan{};
  std::vector<Placement> placements{};
  std::vector<operation_id> stages{};  ///< if any: of the `FinerProgram` that has the placements
};

/// Plans of growing prices of a byte, none of which depends on the budget.
///
/// Prices stand in a ladder. Between two rungs they are split further, and then among the storages:
/// in all a row of choices that keep less and less and cost more and more, so that halving finds
/// the first one that fits, and a larger budget never costs more. Some rungs go on to other
/// instants.
class Ladder {
 public:
  explicit Ladder(StagedRequest& staged) : staged_(staged), base_(staged.base()) {
    const auto& program = staged.program().program();
    instant_ = staged.request().passes_in_flight > 1 && program.has_loss()
                   ? program.loss()
                   : static_cast<stage_id>(base_.profile().highest());
    staged.anchor(instant_);
  }

  /// Where the first cut is.
  [[nodiscard]] stage_id instant() const noexcept { return instant_; }

  /// What needs least of all that was looked at. Where no plan fits, it is the same for each
  /// budget, unless the ladder's watch ended it.
  [[nodiscard]] const std::vector<Placement>& nearest() const noexcept { return least_.placements; }
  /// How much that needs, in bytes. Where no plan fits, it is the smallest budget that the ladder
  /// meets, unless its watch ended it.
  [[nodiscard]] byte_count smallest_bytes() const noexcept { return least_.bytes; }
  /// False if its watch ended the climb.
  [[nodiscard]] bool is_complete() const noexcept { return is_complete_; }
  /// No plan costs less, by what was proven so far; 0 where nothing is.
  [[nodiscard]] double lower_bound_cost() const { return can_prove() ? bound_ : 0; }

  /// What of the ladder is climbed.
  struct Extent {
    bool looks_further = true;      ///< see `MinCut`
    bool takes_first = false;       ///< likewise
    bool begins_at_fences = false;  ///< once one instant has been looked at: a plan is found sooner
  };

  /// Looks for the cheapest plan, once.
  /// @param watch ends it early, with what was found before
  /// @param watch_of_first the same while no plan was found
  /// @returns true if there is one that fits
  bool climb(SearchWatch watch = {}, SearchWatch watch_of_first = {}) {
    return climb(watch, watch_of_first, Extent());
  }
  bool climb(SearchWatch watch, SearchWatch watch_of_first, Extent extent) {
    watch_ = watch;
    base_.watch_by(watch_of_first);
    extent_ = extent;
    try {
      climb_all();
      is_complete_ = true;
    } catch (const TimeIsUp&) {
      // What was found before counts.
    }
    return best_.has_value();
  }

  /// Where the plan that was found runs operations.
  [[nodiscard]] const std::vector<Placement>& placements() const { return best_->placements; }
  /// What it recomputes, but for rounding.
  [[nodiscard]] double cost() const { return best_->cost; }
  /// The plan that was found. Linear in it.
  [[nodiscard]] Choice choice() const {
    const StagedPlan staged(staged_.program(), staged_.limits(), best_->placements);
    Choice choice{.plan = staged_.play(staged), .placements = best_->placements};
    choice.plan.lower_bound_bytes = lower_bound_bytes(staged_.request().program);
    choice.plan.lower_bound_cost = std::min(lower_bound_cost(), choice.plan.recomputed_cost);
    return choice;
  }

 private:
  struct Fitting {
    std::vector<Placement> placements{};
    double cost = 0;
  };
  /// What needs least.
  struct Least {
    std::vector<Placement> placements{};
    byte_count bytes = unlimited_bytes;

    /// Of equal ones the first stays.
    void take(const StagedPlan& candidate, byte_count peak_bytes) {
      if (peak_bytes >= bytes) return;
      bytes = peak_bytes;
      placements = candidate.placements();
    }
  };
  /// Whether something is looked at whatever the budget, in the same place of the same row.
  enum class Row : std::uint8_t { same, by_budget };

  void climb_all() {
    if (consider(base_)) return;
    const InstantCut first(base_, instant_);
    climb_rungs(first, 1, true);
    if (extent_.looks_further) look_further(first);
    if (best_) return;
    measure_rungs(first);
    // Of equal ones, which is the first must not depend on the budget, and halving does.
    if (!best_) least_ = least_of_row_;
  }

  void look_further(const InstantCut& first) {
    const bool begins_at_fences = extent_.begins_at_fences || extent_.takes_first;
    if (begins_at_fences && !is_enough_known()) climb_between_fences(first);
    if (!is_enough_known()) climb_further(first);
    if (!begins_at_fences && !is_enough_known()) climb_between_fences(first);
  }

  static constexpr int rungs = 32;
  static constexpr int lowest_decade = -7;  ///< of the first rung's price, around the typical one
  static constexpr int decades = 12;
  static constexpr int splits = 256;  ///< of the price between two rungs
  static constexpr int further_start = 2;
  static constexpr int further_stride = 6;  ///< of rungs that go on to other instants
  static constexpr int most_instants = 6;
  static constexpr std::size_t fewest_parts = 2;
  static constexpr std::size_t most_parts = 64;
  static constexpr int fenced_stride = 2;  ///< of rungs that are climbed between fences

  [[nodiscard]] static double price(const InstantCut& cut, double rung) {
    return cut.typical_price() * std::pow(10.0, lowest_decade + decades * rung / rungs);
  }

  bool consider(const StagedPlan& candidate, Row row = Row::same) {
    if (!fits(candidate, row)) return false;
    if (!best_ || candidate.cost() < best_->cost) {
      best_ = {.placements = candidate.placements(), .cost = candidate.cost()};
    }
    base_.watch_by(watch_);
    watch_.look();
    return true;
  }
  // What several passes need beside each other only their ledger says.
  bool fits(const StagedPlan& candidate, Row row) {
    const bool is_alone = staged_.request().passes_in_flight == 1;
    if (is_alone && candidate.fits()) return true;
    const byte_count peak =
        is_alone ? static_cast<byte_count>(peak_of(candidate)) : staged_.play(candidate).peak_bytes;
    least_.take(candidate, peak);
    if (row == Row::same) least_of_row_.take(candidate, peak);
    return peak <= staged_.request().budget;
  }
  [[nodiscard]] static double peak_of(const StagedPlan& plan) {
    return plan.profile()[plan.profile().highest()] + plan.limits().budget;
  }
  [[nodiscard]] static bool keeps_too_much(const InstantCut& cut) {
    return cut.kept_bytes() > cut.capacity();
  }
  bool consider(const InstantCut& cut) {
    return !keeps_too_much(cut) && consider_reruns(cut.reruns(), Row::by_budget);
  }
  bool consider_reruns(std::span<const Placement> reruns, Row row) {
    candidate_ = with_reruns(base_, reruns, candidate_ ? *std::move(candidate_) : base_);
    return consider(*candidate_, row);
  }

  // The cuts at rising prices, up to the first whose plan fits; then what lies before it. The
  // dearer a byte, the less is kept and the more is recomputed: those that keep too much and would
  // gain come first, and halving finds their last.
  void climb_rungs(InstantCut below, int stride, bool is_proof) {
    if (below.size() == 0) return;
    if (!is_proof && best_) {
      InstantCut cut = below;
      cut.solve(price_of_bound_);
      if (cannot_gain(cut)) return;
    }
    int few = -1;
    int many = rungs / stride;
    while (few + 1 < many) {
      const int middle = (few + many) / 2;
      InstantCut cut = below;
      solve(cut, price(cut, middle * stride), is_proof);
      if (cannot_gain(cut)) return;
      if (keeps_too_much(cut) && !is_of_no_use(cut)) {
        few = middle;
        below = std::move(cut);
        below.settle_below();
      } else {
        many = middle;
      }
    }
    climb_from(many * stride, std::move(below), stride, is_proof);
  }
  // One by one, because a cut may keep little enough and its plan not fit all the same.
  void climb_from(int first, InstantCut below, int stride, bool is_proof) {
    double kept = -1;
    for (int rung = first; rung <= rungs; rung += stride) {
      InstantCut cut = below;
      solve(cut, price(cut, rung), is_proof);
      const bool is_new = std::exchange(kept, cut.kept_bytes()) != kept;
      if (is_new && is_enough(cut)) {
        if (rung > 0 && (is_proof || may_gain(below))) {
          below.settle_above(cut);
          refine(std::move(below), rung - stride, rung, is_proof);
        }
        return;
      }
      below = std::move(cut);
      below.settle_below();
    }
  }

  void solve(InstantCut& cut, double price, bool is_proof) {
    cut.solve(price);
    if (!is_proof || cut.bound() <= bound_) return;
    bound_ = cut.bound();
    price_of_bound_ = price;
  }

  // What is forced is part of the plan that the bound is one for.
  [[nodiscard]] bool can_prove() const { return !staged_.program().has_forced(); }
  [[nodiscard]] bool is_optimal() const { return best_ && can_prove() && best_->cost <= bound_; }
  // True if it and those at higher prices cost no less than what is known.
  [[nodiscard]] bool is_of_no_use(const InstantCut& cut) const {
    return best_ && cut.recomputed_cost() >= best_->cost;
  }
  // True if neither it nor the same at any other price costs less than what is known.
  [[nodiscard]] bool cannot_gain(const InstantCut& cut) const {
    return best_ && cut.bound() >= best_->cost;
  }
  [[nodiscard]] bool is_enough_known() const {
    return is_optimal() || (extent_.takes_first && best_);
  }
  // Cuts at further instants may make reruns useless, but not half of all.
  [[nodiscard]] bool is_too_dear(double cost) const { return best_ && cost > 2 * best_->cost; }
  // What lies between a cut that keeps too much and what is known may be far better than that.
  [[nodiscard]] bool may_gain(const InstantCut& below) const {
    constexpr double worthwhile = 0.7;
    return below.recomputed_cost() < worthwhile * best_->cost;
  }
  bool is_enough(const InstantCut& cut) { return is_of_no_use(cut) || consider(cut); }

  // Between the last rung that keeps too much and the first that is enough.
  void refine(InstantCut below, int low, int high, bool is_proof) {
    const auto price_at = [&](int split) {
      return price(below, low + static_cast<double>(high - low) * split / splits);
    };
    int few = 0;
    int many = splits;
    while (few + 1 < many) {
      const int middle = (few + many) / 2;
      InstantCut cut = below;
      solve(cut, price_at(middle), is_proof);
      if (cannot_gain(cut)) return;
      if (is_enough(cut)) {
        many = middle;
        below.settle_above(cut);
      } else {
        few = middle;
        below = std::move(cut);
        below.settle_below();
      }
    }
    // A row of equal layers goes at one price; this takes the first ones of it.
    std::vector<std::uint32_t> order(below.priced_count());
    std::iota(order.begin(), order.end(), 0U);
    below.halve(order, price_at(few), price_at(many),
                [this](const InstantCut& cut) { return is_enough(cut); });
  }

  void climb_further(InstantCut cut) {
    if (cut.size() == 0) return;
    for (int rung = further_start; rung <= rungs; rung += further_stride) {
      const double same = price(cut, rung);
      cut.solve(same);
      cut.settle_below();
      if (is_too_dear(cut.recomputed_cost())) return;
      climb_further(cut, same);
    }
  }

  // The same price at the next instants where most is live.
  void climb_further(const InstantCut& first, double price) {
    if (!further_) further_ = {base_, base_};
    auto& [plan, memory] = *further_;
    plan = with_reruns(base_, first.reruns(), std::move(plan));
    consider(plan);
    for (int i = 1; i < most_instants && !is_too_dear(plan.cost()); ++i) {
      InstantCut cut(plan, static_cast<stage_id>(plan.profile().highest()));
      if (cut.size() == 0) return;
      cut.solve(price);
      const std::vector<Placement> reruns = cut.reruns();
      if (reruns.empty()) return;
      const double before = peak_of(plan);
      memory = with_reruns(plan, reruns, std::move(memory));
      std::swap(plan, memory);
      consider(plan);
      if (peak_of(plan) >= before) return;
    }
  }

  // The same instant, with what crosses fences kept: in few parts and in many.
  void climb_between_fences(const InstantCut& first) {
    for_each_division(first, [this](InstantCut cut) {
      if (!(extent_.takes_first && best_)) climb_rungs(std::move(cut), fenced_stride, false);
    });
  }

  template <std::invocable<InstantCut> F>
  void for_each_division(const InstantCut& first, F use) const {
    const Fences fences(base_, instant_);
    for (std::size_t parts = fewest_parts; parts <= most_parts; parts *= 2) {
      use(InstantCut(first, fences.crossing(parts)));
    }
  }

  // For the message: what the rungs need that were not looked at.
  void measure_rungs(const InstantCut& first) {
    measure(first, 1);
    if (!extent_.looks_further) return;
    for_each_division(first, [this](InstantCut cut) { measure(std::move(cut), fenced_stride); });
  }
  void measure(InstantCut cut, int stride) {
    if (cut.size() == 0) return;
    cut.solve(price(cut, 0));
    consider_reruns(cut.reruns(), Row::same);
    cut.settle_below();
    InstantCut last = cut;
    last.solve(price(cut, rungs));
    measure_between(cut, 0, last, rungs, stride);
  }
  // The rungs above one up to another. Where both choose alike, so do all between them, and plans
  // that were looked at need not be looked at again.
  void measure_between(const InstantCut& below, int low, const InstantCut& above, int high,
                       int stride) {
    if (is_least_proven()) return;
    if (high - low == stride) {
      if (!above.chooses_like(below)) consider_reruns(above.reruns(), Row::same);
      return;
    }
    if (above.is_even() && above.chooses_like(below)) return;
    const int middle = low + (high - low) / stride / 2 * stride;
    InstantCut cut = below;
    cut.solve(price(cut, middle));
    measure_between(below, low, cut, middle, stride);
    cut.settle_below();
    measure_between(cut, middle, above, high, stride);
  }
  // No plan at all needs less.
  [[nodiscard]] bool is_least_proven() {
    if (!bound_bytes_) bound_bytes_ = lower_bound_bytes(staged_.request().program);
    return least_of_row_.bytes <= *bound_bytes_;
  }

  StagedRequest& staged_;
  SearchWatch watch_;
  StagedPlan base_;
  std::optional<StagedPlan> candidate_;                       ///< memory for one plan after another
  std::optional<std::pair<StagedPlan, StagedPlan>> further_;  ///< the same, for one that goes on
  stage_id instant_ = 0;
  std::optional<Fitting> best_;
  Least least_;
  Least least_of_row_;                     ///< without what only some budgets look at
  std::optional<byte_count> bound_bytes_;  ///< of any plan, once it was asked for
  bool is_complete_ = false;
  Extent extent_;
  double bound_ = 0;
  double price_of_bound_ = 0;
};

}  // namespace reprise::inline v0::staged
