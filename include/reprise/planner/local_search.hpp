// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Plans by a penalised local search.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <limits>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/planner/budget_infeasible.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/planner/staged/fences.hpp>
#include <reprise/planner/staged/instant_cut.hpp>
#include <reprise/planner/staged/price_search.hpp>
#include <reprise/planner/staged/staged_request.hpp>
#include <reprise/planner/staged/staged_schedule.hpp>
#include <reprise/planner/staged/staged_search.hpp>
#include <reprise/program/bounds.hpp>
#include <reprise/program/simulate.hpp>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// How long a search may take.
struct SearchEffort {
  double seconds = 1.0;  ///< of wall time, for all of a search; up to 10^9
  /// If not 0: so many tries in all, whatever time they take. Plans are then the same in each run,
  /// on any number of threads.
  std::uint64_t tries = 0;
  unsigned threads = 2;    ///< that search side by side; 0 counts as 1
  std::uint64_t seed = 0;  ///< of the search's random choices
};

namespace local_search {

/// Where one search starts, and how hot.
struct Start {
  std::vector<Placement> placements{};
  StagedPlan::Limits limits{};
  double temperature = 0;  ///< see `StagedSearch::Options`
  double target = 0;       ///< a cost that no plan is below
  double price = 0;        ///< of a byte over the budget, if it is known
};

/// What a search came to: a plan, or how far it is from one.
struct Found {
  std::vector<Placement> placements{};
  StagedPlan::Limits limits{};
  double cost = std::numeric_limits<double>::infinity();
  double violation = std::numeric_limits<double>::infinity();
  double price = 0;

  [[nodiscard]] bool is_plan() const noexcept {
    return cost < std::numeric_limits<double>::infinity();
  }
};

/// The best of several searches.
struct Best {
  Found plan{};     ///< the cheapest
  Found nearest{};  ///< of those without a plan: the one that is the least over the budget

  /// Of equal ones the first stays.
  void take(Found found) {
    if (found.cost < plan.cost)
      plan = std::move(found);
    else if (found.violation < nearest.violation)
      nearest = std::move(found);
  }
  void take(Best other) {
    take(std::move(other.plan));
    take(std::move(other.nearest));
  }
};

/// Searches side by side, in two turns: from several starts, then on from the best.
class Searcher {
 public:
  /// @param planner in messages
  /// @throws InvalidArgument if the effort's seconds are negative or no time
  Searcher(std::string_view planner, StagedRequest& staged, const SearchEffort& effort)
      : planner_(planner), staged_(staged), effort_(effort), ladder_(staged), base_(staged.base()) {
    if (!(effort.seconds >= 0 && effort.seconds <= most_seconds)) {
      throw InvalidArgument("a search takes 0 to " + std::to_string(most_seconds) +
                            " seconds, not " + std::to_string(effort.seconds));
    }
  }

  /// @param known placements of an earlier plan, or empty; nothing is lost if they do not fit
  /// @throws BudgetInfeasible as `MinCut` does, if the search does not meet the budget either
  [[nodiscard]] min_cut::Choice plan(std::span<const Placement> known = {}) {
    consider(known);
    run(0.0, first_share,
        {[this](const Effort& own) { return search_from_cuts(own); },
         [this](const Effort& own) { return search_from_nothing(own); }});
    for (double share = first_share; share < 1 && best_.plan.cost > bound_; share += later_share) {
      run(share, share + later_share, later_searches());
    }
    return finish();
  }

 private:
  using clock = std::chrono::steady_clock;

  static constexpr double most_seconds = 1e9;
  static constexpr double hot = 0.4;
  static constexpr double warm = 0.1;
  static constexpr double cool = 0.02;
  static constexpr double first_share = 0.5;   ///< of the effort, from several starts
  static constexpr double later_share = 0.25;  ///< each time that it goes on from the best
  static constexpr std::uint64_t batch = 64;

  /// What one search may use.
  struct Effort {
    clock::time_point end;
    std::uint64_t tries;
    std::uint64_t seed;
  };
  /// Whether a cut may be one between fences.
  enum class Parts : std::uint8_t { none, some };
  using Task = std::function<Best(const Effort&)>;

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
    const Simulation played =
        simulate(staged_.request().program,
                 schedule_of(StagedPlan(staged_.program(), staged_.limits(), known)));
    const StagedPlan plan(staged_.program(), limits_at_rest(played.rest_bytes), known);
    if (!plan.fits()) return;
    best_.take(Found{.placements = {known.begin(), known.end()},
                     .limits = plan.limits(),
                     .cost = played.recomputed_cost});
  }

  // MinCut's plan, and what a search makes of the best cut at one instant, which may be over the
  // budget at others; without a plan, of what is nearest to one.
  [[nodiscard]] Best search_from_cuts(const Effort& own) {
    Best best;
    best.take(cut());
    if (best.plan.is_plan() && best.plan.cost <= bound_) return best;
    const StagedPlan::Limits limits =
        best.plan.is_plan() ? best.plan.limits : limits_of_even_shares();
    const StagedPlan base(staged_.program(), limits, base_.placements());
    const InstantChoice choice = choose_at(base, ladder_.instant());
    if (is_proof()) bound_ = std::max(bound_, choice.bound);
    const StagedPlan first = with_reruns(base, choice.reruns);
    best.take(cut_on(first, Parts::none, own));
    if (!best.plan.is_plan()) best.take(cut_on_nearest(limits, own));
    if (!best.plan.is_plan()) best.take(cut_on(first, Parts::some, own));
    if (!best.plan.is_plan()) {
      best.take(search(on_from(best.nearest, warm), own));
      return best;
    }
    best.take(search_twice(
        {.placements = first.placements(), .limits = limits, .temperature = cool, .target = bound_},
        own));
    return best;
  }

  [[nodiscard]] Best cut_on_nearest(StagedPlan::Limits limits, const Effort& own) const {
    const StagedPlan nearest(staged_.program(), limits, ladder_.nearest());
    Best best;
    best.take(found(nearest));
    best.take(cut_on(nearest, Parts::some, own));
    return best;
  }

  [[nodiscard]] bool is_proof() const {
    return staged_.request().passes_in_flight == 1 && !staged_.program().has_forced();
  }

  // Its error is the one that is thrown if nothing is found.
  [[nodiscard]] Found cut() {
    try {
      min_cut::Choice choice = ladder_.climb();
      bound_ = choice.plan.bound_cost;
      return {.placements = std::move(choice.placements),
              .limits = limits_at_rest(choice.plan.rest_bytes),
              .cost = choice.plan.recomputed_cost,
              .price = typical_price()};
    } catch (const BudgetInfeasible& refused) {
      refused_ = refused;
      return {};
    }
  }

  [[nodiscard]] Best search_from_nothing(const Effort& own) const {
    Best best;
    best.take(search(
        {.placements = base_.placements(), .limits = limits_of_even_shares(), .temperature = hot},
        own));
    return best;
  }

  [[nodiscard]] std::vector<Task> later_searches() const {
    // From what was best when the turn began, whichever of its searches ends first.
    const auto go_on = [this](const Found& from, double temperature) {
      return [this, start = on_from(from, temperature)](const Effort& own) {
        Best best;
        best.take(search(start, own));
        return best;
      };
    };
    if (!best_.plan.is_plan()) return {go_on(best_.nearest, cool), go_on(best_.nearest, warm)};
    if (best_.nearest.placements.empty()) return {go_on(best_.plan, cool), go_on(best_.plan, warm)};
    Found kept = best_.plan;
    kept.price = high_price();
    return {go_on(kept, cool), go_on(best_.nearest, cool)};
  }

  [[nodiscard]] Start on_from(const Found& from, double temperature) const {
    return {.placements = from.placements,
            .limits = from.limits,
            .temperature = temperature,
            .target = bound_,
            .price = from.price};
  }

  // Cuts at one instant after another, each where most is live after those before it.
  [[nodiscard]] Found cut_on(StagedPlan plan, Parts parts, const Effort& own) const {
    constexpr int most_instants = 32;
    const clock::time_point begin = clock::now();
    const clock::time_point end = begin + (own.end - begin) / 3;  // most of it is the search's
    Best best;
    for (int i = 0; i < most_instants && !plan.fits(); ++i) {
      if (effort_.tries == 0 && clock::now() >= end) break;
      std::optional<StagedPlan> next = cut_at_highest(plan, parts);
      if (!next) break;
      plan = *std::move(next);
      best.take(found(plan));
    }
    return plan.fits() ? found(plan) : std::move(best.nearest);
  }

  // A cut at the instant where most is live, and of some such cuts the one that leaves the least
  // over the budget; none if there is nothing to give up.
  [[nodiscard]] static std::optional<StagedPlan> cut_at_highest(const StagedPlan& plan,
                                                                Parts parts) {
    const auto instant = static_cast<stage_id>(plan.profile().highest());
    std::optional<StagedPlan> best;
    const auto consider = [&](const std::vector<Placement>& reruns) {
      if (reruns.empty()) return;
      StagedPlan next = with_reruns(plan, reruns);
      if (!best || next.profile().violation() < best->profile().violation()) best = std::move(next);
    };
    consider(choose_at(plan, instant).reruns);
    if (parts == Parts::none) return best;
    const InstantCut open(plan, instant);
    if (open.size() == 0) return best;
    const Fences fences(plan, instant);
    for (const std::size_t count : {4U, 16U, 64U}) {
      InstantCut cut(open, fences.crossing(count));
      for (int decade = -2; decade <= 5; ++decade) {
        cut.solve(cut.typical_price() * std::pow(10.0, decade));
        if (cut.kept_bytes() <= cut.capacity()) break;
      }
      consider(cut.reruns());
    }
    return best;
  }

  // Where no search has come to a price, that of a whole program: from a plan, a lower one leads
  // far away first.
  [[nodiscard]] double typical_price() const {
    return staged_.program().total_cost() / std::max(1.0, staged_.program().total_bytes());
  }
  // Where a search did not come back to the budget in its time, the next one should not leave it.
  [[nodiscard]] double high_price() const { return 6 * typical_price(); }
  [[nodiscard]] Found found(const StagedPlan& plan) const {
    Found found{.placements = plan.placements(), .limits = plan.limits(), .price = typical_price()};
    if (plan.fits()) {
      found.cost = plan.cost();
    } else {
      found.violation = plan.profile().violation();
    }
    return found;
  }

  // Runs tasks until that share of the whole effort is spent; more threads than tasks take them
  // again, with other random numbers.
  void run(double from, double until, std::vector<Task> tasks) {
    const std::size_t threads = std::max(1U, effort_.threads);
    const std::size_t different = tasks.size();
    const std::size_t wanted = effort_.tries > 0 ? different : std::max(different, threads);
    while (tasks.size() < wanted) tasks.push_back(tasks[tasks.size() % different]);
    const auto tries =
        static_cast<std::uint64_t>((until - from) * static_cast<double>(effort_.tries));
    const std::size_t turns = (tasks.size() + threads - 1) / threads;
    for (std::size_t turn = 0; turn < turns; ++turn) {
      const double left = until * effort_.seconds - seconds_since(begin_);
      const auto own = std::chrono::duration<double>(left / static_cast<double>(turns - turn));
      const clock::time_point end = clock::now() + std::chrono::duration_cast<clock::duration>(own);
      std::vector<std::future<Best>> running;
      for (std::size_t i = turn * threads; i < std::min(tasks.size(), (turn + 1) * threads); ++i) {
        const Effort effort{
            .end = end, .tries = tries / different, .seed = effort_.seed + ++searches_};
        const auto policy = threads > 1 ? std::launch::async : std::launch::deferred;
        running.push_back(std::async(policy, tasks[i], effort));
      }
      Best found;
      for (std::future<Best>& one : running) found.take(one.get());
      best_.take(std::move(found));
    }
  }

  [[nodiscard]] static double seconds_since(clock::time_point begin) {
    return std::chrono::duration<double>(clock::now() - begin).count();
  }

  // What a search from a cut comes to is decided early: two short ones find more than a long one.
  [[nodiscard]] Best search_twice(const Start& start, const Effort& own) const {
    const clock::time_point begin = clock::now();
    const Effort first{
        .end = begin + (own.end - begin) / 2, .tries = own.tries / 2, .seed = own.seed};
    const Effort second{.end = own.end, .tries = own.tries - first.tries, .seed = ~own.seed};
    Best best;
    best.take(search(start, first));
    best.take(search(start, second));
    return best;
  }

  [[nodiscard]] Found search(const Start& start, const Effort& own) const {
    const clock::time_point begin = clock::now();
    const double seconds = std::chrono::duration<double>(own.end - begin).count();
    StagedSearch search(StagedPlan(staged_.program(), start.limits, start.placements),
                        {.seed = own.seed,
                         .first_temperature = start.temperature,
                         .target = start.target,
                         .first_price = start.price});
    while (search.can_improve()) {
      const bool counts = effort_.tries > 0;
      if (counts ? search.tries() >= own.tries : clock::now() >= own.end) break;
      search.run(batch, counts
                            ? static_cast<double>(search.tries()) / static_cast<double>(own.tries)
                            : seconds_since(begin) / seconds);
    }
    const double cost = search.best_cost();
    if (!search.has_plan()) {
      return {.placements = search.plan().placements(),
              .limits = start.limits,
              .violation = search.plan().profile().violation(),
              .price = search.price()};
    }
    return {.placements = std::move(search).take(), .limits = start.limits, .cost = cost};
  }

  [[nodiscard]] min_cut::Choice finish() {
    if (!best_.plan.is_plan()) {
      throw budget_infeasible(planner_, refused_->budget_bytes(), refused_->planner_bytes(),
                              refused_->bound_bytes());
    }
    min_cut::Choice choice;
    choice.plan =
        staged_.play(StagedPlan(staged_.program(), best_.plan.limits, best_.plan.placements));
    choice.plan.bound_bytes = lower_bound_bytes(staged_.request().program);
    choice.plan.bound_cost = std::min(bound_, choice.plan.recomputed_cost);
    choice.placements = std::move(best_.plan.placements);
    return choice;
  }

  std::string_view planner_;
  StagedRequest& staged_;
  SearchEffort effort_;
  min_cut::Ladder ladder_;
  StagedPlan base_;
  clock::time_point begin_ = clock::now();
  Best best_;
  double bound_ = 0;
  std::optional<BudgetInfeasible> refused_;
  std::uint64_t searches_ = 0;
};

}  // namespace local_search

/// Searches for the cheapest plan: which operations run again, and at which stage.
///
/// It starts from `MinCut`'s plan, or from what needs least if that has none, from a cut at one
/// instant and from nothing, side by side, and then goes on from the best: never worse than
/// `MinCut`. Choose it where a plan is used for long. Exempt from the rule that a larger budget
/// never costs more. Time is what the effort says and at least that of `MinCut`; memory is linear
/// in the program and the plan.
struct LocalSearch {
  static constexpr bool ignores_statistics = true;  ///< a StaticPlanner

  SearchEffort effort{};  ///< of each plan

  /// @throws BudgetInfeasible if neither the search nor `MinCut` meets the budget; the smallest
  ///   budget that it names is `MinCut`'s, and a smaller one may work too.
  /// @throws InvalidArgument if the effort's seconds are negative or no time
  [[nodiscard]] Plan operator()(const PlanRequest& request) const {
    StagedRequest staged(request);
    return local_search::Searcher("search", staged, effort).plan().plan;
  }
};

static_assert(StaticPlanner<LocalSearch>);

}  // namespace reprise::inline v0
