// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Plans by a penalised local search.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <future>
#include <limits>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/planner/price_search.hpp>
#include <reprise/planner/staged_request.hpp>
#include <reprise/planner/staged_search.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// How long a search may take.
struct SearchEffort {
  double seconds = 1.0;
  /// If not 0: so many tries in all, whatever time they take. Plans are then the same in each run,
  /// on any number of threads.
  std::uint64_t tries = 0;
  unsigned threads = 2;
  std::uint64_t seed = 0;
};

namespace local_search {

/// Where one search starts, and how hot.
struct Start {
  std::vector<Placement> placements{};
  StagedPlan::Limits limits{};
  double temperature = 0;  ///< see `StagedSearch::Options`
  std::uint64_t seed = 0;
};

/// The cheapest plan of a search, if it has one.
struct Found {
  std::vector<Placement> placements{};
  StagedPlan::Limits limits{};
  double cost = std::numeric_limits<double>::infinity();

  [[nodiscard]] bool is_plan() const noexcept {
    return cost < std::numeric_limits<double>::infinity();
  }
};

/// Searches side by side, in two turns: from several starts, then on from the best.
class Searcher {
 public:
  Searcher(StagedRequest& staged, const SearchEffort& effort)
      : staged_(staged), effort_(effort), base_(staged.base()) {}

  /// @param known placements of an earlier plan, or empty; nothing is lost if they do not fit
  /// @throws BudgetInfeasible as `MinCut` does, if the search does not meet the budget either
  [[nodiscard]] min_cut::Choice plan(std::span<const Placement> known = {}) {
    cut();
    consider(known);
    if (best_.is_plan() && best_.cost <= bound_) return finish();
    run(first_starts(), 0.5);
    run(second_starts(), 1.0);
    return finish();
  }

 private:
  using clock = std::chrono::steady_clock;

  static constexpr double hot = 0.4;
  static constexpr double warm = 0.1;
  static constexpr double cool = 0.02;
  static constexpr std::uint64_t batch = 64;

  // MinCut's plan is the first, and its error the one that is thrown if nothing is found.
  void cut() {
    try {
      min_cut::Choice choice = min_cut::Ladder(staged_).climb();
      bound_ = choice.plan.bound_cost;
      best_ = {.placements = std::move(choice.placements),
               .limits = limits_at_rest(choice.plan.rest_bytes),
               .cost = choice.plan.recomputed_cost};
    } catch (const BudgetInfeasible& refused) {
      refused_ = refused;
    }
  }

  // One pass may have what the others, which are at rest, leave it.
  [[nodiscard]] StagedPlan::Limits limits_at_rest(byte_count rest) const {
    const auto others = static_cast<double>(staged_.request().passes_in_flight - 1);
    const auto budget = static_cast<double>(staged_.request().budget);
    if (others == 0) return {.budget = budget};
    return {.budget = budget - others * static_cast<double>(rest),
            .rest = static_cast<double>(rest)};
  }
  [[nodiscard]] StagedPlan::Limits limits_of_even_shares() const {
    return limits_at_rest(staged_.request().budget / staged_.request().passes_in_flight);
  }

  void consider(std::span<const Placement> known) {
    if (known.empty()) return;
    const StagedPlan::Limits limits = best_.is_plan() ? best_.limits : limits_of_even_shares();
    const StagedPlan plan(staged_.program(), limits, known);
    if (!plan.fits() || plan.cost() >= best_.cost) return;
    best_ = {.placements = {known.begin(), known.end()}, .limits = limits, .cost = plan.cost()};
  }

  // From the best cut at one instant, which may be over the budget at others, and from nothing.
  [[nodiscard]] std::vector<Start> first_starts() {
    const StagedPlan::Limits limits = best_.is_plan() ? best_.limits : limits_of_even_shares();
    const StagedPlan base(staged_.program(), limits, base_.placements());
    const InstantChoice choice = choose_at(base, static_cast<stage_id>(base.profile().highest()));
    bound_ = std::max(bound_, best_bound(choice));
    std::vector<Start> starts;
    starts.push_back({.placements = with_reruns(base, choice.reruns).placements(),
                      .limits = limits,
                      .temperature = cool});
    starts.push_back(
        {.placements = base.placements(), .limits = limits_of_even_shares(), .temperature = hot});
    repeat(starts);
    return starts;
  }

  // A bound is one of plans without the limits of several passes.
  [[nodiscard]] double best_bound(const InstantChoice& choice) const {
    const bool is_of_any_plan = staged_.request().passes_in_flight == 1;
    return is_of_any_plan && !staged_.program().has_forced() ? choice.bound : 0;
  }

  [[nodiscard]] std::vector<Start> second_starts() const {
    if (!best_.is_plan()) return second_starts_without_plan();
    std::vector<Start> starts;
    for (const double temperature : {cool, warm}) {
      starts.push_back({.placements = best_.placements,
                        .limits = best_.limits,
                        .temperature = temperature,
                        .seed = 1000});
    }
    repeat(starts);
    return starts;
  }

  // Cuts at one instant after another; and once more from nothing.
  [[nodiscard]] std::vector<Start> second_starts_without_plan() const {
    constexpr int most_instants = 16;
    const StagedPlan::Limits limits = limits_of_even_shares();
    StagedPlan plan(staged_.program(), limits, base_.placements());
    for (int i = 0; i < most_instants && !plan.fits(); ++i) {
      const auto instant = static_cast<stage_id>(plan.profile().highest());
      const InstantChoice choice = choose_at(plan, instant);
      if (choice.reruns.empty()) break;
      plan = with_reruns(plan, choice.reruns);
    }
    std::vector<Start> starts;
    starts.push_back({.placements = plan.placements(), .limits = limits, .temperature = warm});
    starts.push_back({.placements = base_.placements(), .limits = limits, .temperature = hot});
    repeat(starts);
    for (Start& start : starts) start.seed += 1000;
    return starts;
  }

  // More threads than starts take them again, with other random numbers.
  void repeat(std::vector<Start>& starts) const {
    const std::size_t different = starts.size();
    const std::size_t wanted = effort_.tries > 0 ? different : effort_.threads;
    while (starts.size() < wanted) starts.push_back(starts[starts.size() - different]);
    for (std::size_t i = 0; i < starts.size(); ++i) starts[i].seed += effort_.seed + i;
  }

  // Runs until that share of the whole effort is spent.
  void run(const std::vector<Start>& starts, double until) {
    const std::size_t threads = std::max(1U, effort_.threads);
    const std::size_t turns = (starts.size() + threads - 1) / threads;
    for (std::size_t turn = 0; turn < turns; ++turn) {
      const double left = until * effort_.seconds - seconds();
      const Effort own{.seconds = left / static_cast<double>(turns - turn),
                       .tries = effort_.tries / (2 * starts.size()) + 1};
      const std::size_t first = turn * threads;
      const auto those = std::span(starts).subspan(first, std::min(threads, starts.size() - first));
      run_side_by_side(those, own);
    }
  }

  struct Effort {
    double seconds;
    std::uint64_t tries;
  };

  void run_side_by_side(std::span<const Start> starts, const Effort& own) {
    std::vector<std::future<Found>> running;
    for (std::size_t i = 1; i < starts.size(); ++i) {
      running.push_back(std::async(std::launch::async, [&, i] { return search(starts[i], own); }));
    }
    Found found = search(starts[0], own);
    if (found.cost < best_.cost) best_ = std::move(found);
    for (std::future<Found>& one : running) {
      found = one.get();
      if (found.cost < best_.cost) best_ = std::move(found);
    }
  }

  [[nodiscard]] Found search(const Start& start, const Effort& own) const {
    const clock::time_point begin = clock::now();
    StagedSearch search(
        StagedPlan(staged_.program(), start.limits, start.placements),
        {.seed = start.seed, .first_temperature = start.temperature, .target = bound_});
    while (search.can_improve()) {
      const double progress =
          effort_.tries > 0
              ? static_cast<double>(search.tries()) / static_cast<double>(own.tries)
              : std::chrono::duration<double>(clock::now() - begin).count() / own.seconds;
      if (!(progress < 1)) break;
      search.run(batch, progress);
    }
    if (!search.has_plan()) return {};
    const double cost = search.best_cost();
    return {.placements = std::move(search).take(), .limits = start.limits, .cost = cost};
  }

  [[nodiscard]] double seconds() const {
    return std::chrono::duration<double>(clock::now() - begin_).count();
  }

  [[nodiscard]] min_cut::Choice finish() {
    if (!best_.is_plan()) throw *refused_;
    min_cut::Choice choice;
    choice.plan = staged_.play(StagedPlan(staged_.program(), best_.limits, best_.placements));
    choice.plan.bound_bytes = lower_bound_bytes(staged_.request().program);
    choice.plan.bound_cost = std::min(bound_, choice.plan.recomputed_cost);
    choice.placements = std::move(best_.placements);
    return choice;
  }

  StagedRequest& staged_;
  SearchEffort effort_;
  StagedPlan base_;
  clock::time_point begin_ = clock::now();
  Found best_;
  double bound_ = 0;
  std::optional<BudgetInfeasible> refused_;
};

}  // namespace local_search

/// Searches for the cheapest plan: which operations run again, and at which stage.
///
/// It starts from `MinCut`'s plan, from a cut at one instant and from nothing, side by side, and
/// then goes on from the best: never worse than `MinCut`. Choose it where a plan is used for long.
/// Exempt from the rule that a larger budget never costs more. Time is what the effort says and at
/// least that of `MinCut`; memory is linear in the program and the plan.
struct LocalSearch {
  SearchEffort effort{};

  /// @throws BudgetInfeasible if neither the search nor `MinCut` meets the budget; the smallest
  ///   budget that it names is `MinCut`'s, and a smaller one may work too.
  [[nodiscard]] Plan operator()(const PlanRequest& request) const {
    StagedRequest staged(request);
    return local_search::Searcher(staged, effort).plan().plan;
  }
};

static_assert(Planner<LocalSearch>);

}  // namespace reprise::inline v0
