// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Plans by a minimum cut at the instant where most is live.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <reprise/planner/budget_infeasible.hpp>
#include <reprise/planner/instant_cut.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/planner/staged_request.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

namespace min_cut {

/// A plan, and where its operations run.
struct Choice {
  Plan plan{};
  std::vector<Placement> placements{};
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
    instant_ = staged.request().passes_in_flight > 1 && program.has_turn()
                   ? program.turn()
                   : static_cast<stage_id>(base_.profile().highest());
    staged.anchor(instant_);
  }

  /// Where the first cut is.
  [[nodiscard]] stage_id instant() const noexcept { return instant_; }

  [[nodiscard]] Choice climb() {
    consider(base_);
    if (best_) return finish();
    climb_rungs();
    if (fitting_) refine();
    climb_further();
    if (!best_) measure_all();
    return finish();
  }

 private:
  static constexpr int rungs = 32;
  static constexpr int lowest_decade = -7;  ///< of the first rung's price, around the typical one
  static constexpr int decades = 12;
  static constexpr int splits = 256;        ///< of the price between two rungs
  static constexpr int further_stride = 6;  ///< of rungs that go on to other instants
  static constexpr int most_instants = 6;

  [[nodiscard]] static double price(const InstantCut& cut, double rung) {
    return cut.typical_price() * std::pow(10.0, lowest_decade + decades * rung / rungs);
  }

  bool consider(const StagedPlan& candidate) {
    const byte_count budget = staged_.request().budget;
    if (staged_.request().passes_in_flight == 1 && !candidate.fits()) {
      smallest_ = std::min(smallest_, static_cast<byte_count>(peak_of(candidate)));
      return false;
    }
    Plan plan = staged_.play(candidate);
    smallest_ = std::min(smallest_, plan.peak_bytes);
    if (plan.peak_bytes > budget) return false;
    if (!best_ || plan.recomputed_cost < best_->plan.recomputed_cost) {
      best_ = {.plan = std::move(plan), .placements = candidate.placements()};
    }
    return true;
  }
  [[nodiscard]] static double peak_of(const StagedPlan& plan) {
    return plan.profile()[plan.profile().highest()] + plan.limits().budget;
  }
  bool consider(const InstantCut& cut) {
    // What keeps too much at this instant needs no second look.
    if (cut.kept_bytes() > cut.capacity()) return false;
    return consider(with_reruns(base_, cut.reruns()));
  }

  void climb_rungs() {
    InstantCut cut(base_, instant_);
    if (cut.size() == 0) return;
    InstantCut below = cut;
    double kept = -1;
    for (int rung = 0; rung <= rungs; ++rung) {
      cut.solve(price(cut, rung));
      bound_ = std::max(bound_, cut.bound());
      const bool is_new = std::exchange(kept, cut.kept_bytes()) != kept;
      if (is_new && consider(cut)) {
        fitting_ = rung;
        break;
      }
      below = cut;
    }
    below_ = std::move(below);
  }

  // Between the last rung that keeps too much and the first that fits.
  void refine() {
    if (*fitting_ == 0) return;
    int few = 0;
    int many = splits;
    while (few + 1 < many) {
      const int middle = (few + many) / 2;
      InstantCut cut = *below_;
      cut.solve(price(cut, *fitting_ - 1 + static_cast<double>(middle) / splits));
      bound_ = std::max(bound_, cut.bound());
      if (consider(cut)) {
        many = middle;
      } else {
        few = middle;
        below_ = std::move(cut);
      }
    }
    refine_among_storages(price(*below_, *fitting_ - 1 + static_cast<double>(few) / splits),
                          price(*below_, *fitting_ - 1 + static_cast<double>(many) / splits));
  }

  // A row of equal layers goes at one price; this takes the first ones of it.
  void refine_among_storages(double low, double high) {
    std::vector<std::uint32_t> order(below_->priced_count());
    std::iota(order.begin(), order.end(), 0U);
    std::size_t few = 0;
    std::size_t many = order.size();
    while (few + 1 < many) {
      const std::size_t middle = (few + many) / 2;
      InstantCut cut = *below_;
      cut.solve(low, std::span(order).first(middle), high);
      if (consider(cut)) {
        many = middle;
      } else {
        few = middle;
        below_ = std::move(cut);
      }
    }
  }

  void climb_further() {
    for (int rung = rungs; rung >= 0; rung -= further_stride) climb_further(rung);
  }

  // The same price at the next instants where most is live.
  void climb_further(int rung) {
    StagedPlan plan = base_;
    const double same = price(InstantCut(base_, instant_), rung);
    stage_id instant = instant_;
    for (int i = 0; i < most_instants; ++i) {
      InstantCut cut(plan, instant);
      if (cut.size() == 0) return;
      cut.solve(same);
      const std::vector<Placement> reruns = cut.reruns();
      if (reruns.empty()) return;
      const double before = peak_of(plan);
      plan = with_reruns(plan, reruns);
      consider(plan);
      if (i > 0 && peak_of(plan) >= before) return;
      instant = static_cast<stage_id>(plan.profile().highest());
    }
  }

  // For the message: what the rungs need that were not looked at.
  void measure_all() {
    InstantCut cut(base_, instant_);
    if (cut.size() == 0) return;
    for (int rung = 0; rung <= rungs; ++rung) {
      cut.solve(price(cut, rung));
      consider(with_reruns(base_, cut.reruns()));
    }
  }

  [[nodiscard]] Choice finish() {
    const byte_count bound = lower_bound_bytes(staged_.request().program);
    if (!best_) throw budget_infeasible("min-cut", staged_.request().budget, smallest_, bound);
    best_->plan.bound_bytes = bound;
    // What is forced is part of the plan that the bound is one for.
    const bool is_proof = !staged_.program().has_forced();
    best_->plan.bound_cost = is_proof ? std::min(bound_, best_->plan.recomputed_cost) : 0;
    return *std::move(best_);
  }

  StagedRequest& staged_;
  StagedPlan base_;
  stage_id instant_ = 0;
  std::optional<Choice> best_;
  byte_count smallest_ = unlimited_bytes;
  double bound_ = 0;
  std::optional<int> fitting_;
  std::optional<InstantCut> below_;
};

}  // namespace min_cut

/// Keeps or remakes each value by a minimum cut at the instant where most is live, at the price of
/// a byte that just fits the budget; a few prices also at the instants that are then the highest.
///
/// For any program, a recorded one too. Choose it where planning has to be fast, as in the first
/// step; `LocalSearch` starts from it and does better where several instants bind. Its plan says
/// how far from optimal it can be at most. About a hundred cuts, each close to linear in the
/// program.
struct MinCut {
  static constexpr bool ignores_statistics = true;
  /// @throws BudgetInfeasible if no price fits
  [[nodiscard]] Plan operator()(const PlanRequest& request) const {
    StagedRequest staged(request);
    return min_cut::Ladder(staged).climb().plan;
  }
};

static_assert(StaticPlanner<MinCut>);

}  // namespace reprise::inline v0
