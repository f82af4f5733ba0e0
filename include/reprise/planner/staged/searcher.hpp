// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Penalised local searches, side by side.

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
#include <reprise/planner/byte_grain.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/planner/search_clock.hpp>
#include <reprise/planner/search_effort.hpp>
#include <reprise/planner/search_watch.hpp>
#include <reprise/planner/staged/fences.hpp>
#include <reprise/planner/staged/instant_cut.hpp>
#include <reprise/planner/staged/ladder.hpp>
#include <reprise/planner/staged/placement.hpp>
#include <reprise/planner/staged/price_search.hpp>
#include <reprise/planner/staged/staged_request.hpp>
#include <reprise/planner/staged/staged_schedule.hpp>
#include <reprise/planner/staged/staged_search.hpp>
#include <reprise/program/bounds.hpp>
#include <reprise/program/simulate.hpp>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace reprise::inline v0::staged {

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
  byte_count boundary_bytes = 0;  ///< of what was played

  [[nodiscard]] bool is_plan() const noexcept {
    return cost < std::numeric_limits<double>::infinity();
  }
  /// True if a search came to something that is over the budget by so much.
  [[nodiscard]] bool is_near() const noexcept {
    return violation < std::numeric_limits<double>::infinity();
  }
};

/// The best of several searches.
struct Best {
  Found plan{};      ///< the cheapest
  Found nearest{};   ///< of those without a plan: the one that is the least over the budget
  double bound = 0;  ///< what was proven of the cost of any plan

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
    bound = std::max(bound, other.bound);
  }
};

/// Searches side by side, in rounds: from several starts, then on from the best.
///
/// A search that runs beside others is a function of what it is given when it begins, and returns
/// what it found: only the one that climbs the ladder changes anything, and of it there is one.
class Searcher {
 public:
  using time_point = SearchClock::time_point;  ///< when something begins or ends

  /// @param planner in messages
  /// @param clock must outlive this
  /// @param begin when the effort's time began
  /// @throws InvalidArgument if the effort's seconds are negative or no time
  Searcher(std::string_view planner, StagedRequest& staged, const SearchEffort& effort,
           const SearchClock& clock, time_point begin)
      : planner_(planner),
        staged_(staged),
        effort_(effort),
        clock_(clock),
        begin_(begin),
        lower_bound_bytes_(lower_bound_bytes(staged.request().program)),
        ladder_(staged),
        goal_{.budget = staged.request().budget, .tries = effort.tries, .seed = effort.seed} {
    if (!(effort.seconds >= 0 && effort.seconds <= most_seconds)) {
      throw InvalidArgument("a search takes 0 to " + std::to_string(most_seconds) +
                            " seconds, not " + std::to_string(effort.seconds));
    }
    if (staged.program().has_forced()) base_ = staged.base().placements();
    // To write down the plan takes up to twice as long as all this did.
    const std::chrono::duration<double> taken = clock_.now() - begin_;
    seconds_ = std::max(effort.seconds - 2 * taken.count(), effort.seconds / 2);
  }

  /// True if its time ended before it had found a plan or all that would have found one.
  [[nodiscard]] bool was_cut_short() const noexcept {
    return is_timed() && !best_.plan.is_plan() && !is_least_final_ && !is_hopeless();
  }

  /// @param known placements of an earlier plan, or empty; nothing is lost if they do not fit
  /// @throws BudgetInfeasible if neither `MinCut` nor a search meets the budget
  [[nodiscard]] Choice plan(std::span<const Placement> known = {}) {
    consider(known);
    const bool is_known = best_.plan.is_plan();
    if (!is_timed() || is_hopeless()) climb();
    if (climbed_ && !climbed_->plan.is_plan() && !is_known) find_least();
    begin_to_search();
    if (is_timed() && !best_.plan.is_plan()) {
      find_least();
      best_.take(least_);
    }
    go_on_searching();
    if (!best_.plan.is_plan() && least_.is_plan()) {
      best_.take(least_);
      run(1 - later_share, 1, {}, later_searches());
    }
    return finish();
  }

 private:
  static constexpr double most_seconds = 1e9;
  static constexpr unsigned most_threads = SearchEffort::most_threads;
  static constexpr double hot = 0.4;
  static constexpr double warm = 0.1;
  static constexpr double cool = 0.02;
  static constexpr double first_share = 0.5;   ///< of the effort, from several starts
  static constexpr double later_share = 0.25;  ///< each time that it goes on from the best
  static constexpr std::uint64_t batch = 64;

  /// What one search may use.
  struct Effort {
    SearchWatch watch{};      ///< never ends where tries count
    std::uint64_t tries = 0;  ///< where they count
    std::uint64_t seed = 0;
    bool counts = false;  ///< tries, whatever time they take
  };
  /// What searches are for.
  struct Goal {
    byte_count budget = 0;
    std::uint64_t tries = 0;  ///< of all searches together; 0 if time counts
    std::uint64_t seed = 0;
    SearchWatch watch{};       ///< where tries count
    bool is_any_plan = false;  ///< the first one is enough
  };
  /// Whether a cut may be one between fences.
  enum class Parts : std::uint8_t { none, some };
  using Task = std::function<Best(const Effort&)>;

  void begin_to_search() {
    run(0.0, first_share, {[this](const Effort& own) { return search_from_cuts(own); }},
        {[this](const Effort& own) { return search_from_nothing(own); }});
  }
  void go_on_searching() {
    for (double share = first_share; share < 1 && best_.plan.cost > best_.bound;
         share += later_share) {
      if (goal_.is_any_plan && best_.plan.is_plan()) return;
      run(share, share + later_share, {}, later_searches());
    }
  }

  [[nodiscard]] bool is_timed() const noexcept { return effort_.tries == 0; }
  [[nodiscard]] bool counts() const noexcept { return goal_.tries > 0; }
  // No plan of any planner fits.
  [[nodiscard]] bool is_hopeless() const noexcept {
    return staged_.request().budget < lower_bound_bytes_;
  }

  // One pass may have what the others, which are at rest, leave it.
  [[nodiscard]] StagedPlan::Limits limits_at_rest(byte_count budget, byte_count rest) const {
    const auto others = static_cast<double>(staged_.request().passes_in_flight - 1);
    const auto all = static_cast<double>(budget);
    if (others == 0) return {.budget = all};
    return {.budget = all - others * static_cast<double>(rest), .rest = static_cast<double>(rest)};
  }
  [[nodiscard]] StagedPlan::Limits limits_at_rest(byte_count rest) const {
    return limits_at_rest(goal_.budget, rest);
  }
  [[nodiscard]] StagedPlan::Limits limits_of_even_shares(byte_count budget) const {
    return limits_at_rest(budget, budget / staged_.request().passes_in_flight);
  }
  [[nodiscard]] StagedPlan::Limits limits_of_even_shares() const {
    return limits_of_even_shares(goal_.budget);
  }

  void consider(std::span<const Placement> known) {
    if (known.empty()) return;
    const Simulation played =
        simulate(staged_.request().program,
                 schedule_of(StagedPlan(staged_.program(), staged_.limits(), known)));
    const StagedPlan plan(staged_.program(), limits_at_rest(played.boundary_bytes), known);
    if (!plan.fits()) return;
    best_.take(Found{.placements = {known.begin(), known.end()},
                     .limits = plan.limits(),
                     .cost = played.recomputed_cost});
  }

  // MinCut's plan, and what a search makes of the best cut at one instant, which may be over the
  // budget at others; without a plan, of what is nearest to one.
  [[nodiscard]] Best search_from_cuts(const Effort& own) {
    if (!climbed_) climb();
    Best best = *climbed_;
    try {
      go_on_from_cuts(best, own);
    } catch (const TimeIsUp&) {
      // What was found before counts.
    }
    return best;
  }

  void go_on_from_cuts(Best& best, const Effort& own) const {
    if (best.plan.is_plan() && best.plan.cost <= best.bound) return;
    const StagedPlan::Limits limits =
        best.plan.is_plan() ? best.plan.limits : limits_of_even_shares();
    const StagedPlan base(staged_.program(), limits, base_, watch_of_proof());
    const InstantChoice choice = choose_at(base, ladder_.instant());
    if (is_proof()) best.bound = std::max(best.bound, choice.bound);
    const StagedPlan first = with_reruns(base, choice.reruns);
    best.take(cut_on(first, Parts::none, own));
    if (!best.plan.is_plan()) best.take(cut_on_nearest(limits, own));
    if (!best.plan.is_plan()) best.take(cut_on(first, Parts::some, own));
    if (!best.plan.is_plan()) {
      best.take(search(on_from(best.nearest, warm, best.bound), own));
      return;
    }
    best.take(search_twice({.placements = first.placements(),
                            .limits = limits,
                            .temperature = cool,
                            .target = best.bound},
                           own));
  }

  [[nodiscard]] Best cut_on_nearest(StagedPlan::Limits limits, const Effort& own) const {
    const StagedPlan nearest(staged_.program(), limits, ladder_.nearest(), own.watch);
    Best best;
    best.take(found(nearest));
    best.take(cut_on(nearest, Parts::some, own));
    return best;
  }

  [[nodiscard]] bool is_proof() const {
    return staged_.request().passes_in_flight == 1 && !staged_.program().has_forced();
  }

  // As long on one thread as on many, so that what is proven does not depend on their number.
  [[nodiscard]] SearchWatch watch_of_proof() const { return watch_until(first_share); }
  [[nodiscard]] SearchWatch watch_until(double share) const {
    if (counts()) return goal_.watch;
    const std::chrono::duration<double> until(share * seconds_);
    return {clock_, begin_ + std::chrono::duration_cast<time_point::duration>(until)};
  }

  void climb() {
    climbed_.emplace();
    const Ladder::Extent extent{.begins_at_fences = is_timed()};
    if (!ladder_.climb(watch_of_proof(), watch_until(first_share + later_share), extent)) return;
    if (is_timed() && staged_.request().passes_in_flight == 1) {
      // Nothing but to play it would tell more, which takes long.
      climbed_->bound = std::min(ladder_.lower_bound_cost(), ladder_.cost());
      return climbed_->take(Found{.placements = ladder_.placements(),
                                  .limits = limits_at_rest(0),
                                  .cost = ladder_.cost(),
                                  .price = typical_price()});
    }
    Choice choice = ladder_.choice();
    climbed_->bound = choice.plan.lower_bound_cost;
    climbed_->take(Found{.placements = std::move(choice.placements),
                         .limits = limits_at_rest(choice.plan.boundary_bytes),
                         .cost = choice.plan.recomputed_cost,
                         .price = typical_price()});
  }

  [[nodiscard]] Best search_from_nothing(const Effort& own) const {
    Best best;
    best.take(
        search({.placements = base_, .limits = limits_of_even_shares(), .temperature = hot}, own));
    return best;
  }

  [[nodiscard]] std::vector<Task> later_searches() const {
    // From what was best when the round began, whichever of its searches ends first.
    const auto go_on = [this](const Found& from, double temperature) {
      return [this, start = on_from(from, temperature, best_.bound)](const Effort& own) {
        Best best;
        best.take(search(start, own));
        return best;
      };
    };
    if (!best_.plan.is_plan() && !best_.nearest.is_near()) {
      return {[this](const Effort& own) { return search_from_nothing(own); }};
    }
    if (!best_.plan.is_plan()) return {go_on(best_.nearest, cool), go_on(best_.nearest, warm)};
    if (best_.nearest.placements.empty()) return {go_on(best_.plan, cool), go_on(best_.plan, warm)};
    Found kept = best_.plan;
    kept.price = high_price();
    return {go_on(kept, cool), go_on(best_.nearest, cool)};
  }

  [[nodiscard]] static Start on_from(const Found& from, double temperature, double target) {
    return {.placements = from.placements,
            .limits = from.limits,
            .temperature = temperature,
            .target = target,
            .price = from.price};
  }

  // Cuts at one instant after another, each where most is live after those before it.
  [[nodiscard]] Found cut_on(StagedPlan plan, Parts parts, const Effort& own) const {
    constexpr int most_instants = 32;
    constexpr double share = 1.0 / 3;  // most of it is the search's
    const SearchWatch watch = own.watch.part(share);
    plan.watch_by(watch);
    Best best;
    for (int i = 0; i < most_instants && !plan.fits() && !watch.is_over(); ++i) {
      std::optional<StagedPlan> next;
      try {
        next = cut_at_highest(plan, parts);
      } catch (const TimeIsUp&) {
        break;
      }
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

  // Where the machine has no more threads, a task runs when its result is asked for.
  [[nodiscard]] static std::future<Best> launch(bool at_once, const Task& task,
                                                const Effort& effort) {
    if (at_once) {
      try {
        return std::async(std::launch::async, task, effort);
      } catch (const std::system_error&) {
      }
    }
    return std::async(std::launch::deferred, task, effort);
  }

  // Runs tasks until that share of the whole effort is spent; more threads than tasks take those
  // that may run twice again, with other random numbers.
  void run(double from, double until, std::vector<Task> tasks, std::vector<Task> repeatable) {
    const std::size_t threads = std::clamp(effort_.threads, 1U, most_threads);
    tasks.insert(tasks.end(), repeatable.begin(), repeatable.end());
    const std::size_t different = tasks.size();
    const std::size_t wanted = counts() ? different : std::max(different, threads);
    while (tasks.size() < wanted) tasks.push_back(repeatable[tasks.size() % repeatable.size()]);
    const auto tries =
        static_cast<std::uint64_t>((until - from) * static_cast<double>(goal_.tries));
    const std::size_t rounds = (tasks.size() + threads - 1) / threads;
    for (std::size_t round = 0; round < rounds; ++round) {
      const SearchWatch all = watch_until(until);
      const SearchWatch watch =
          counts() ? all : all.part(1.0 / static_cast<double>(rounds - round));
      std::vector<std::future<Best>> running;
      for (std::size_t i = round * threads; i < std::min(tasks.size(), (round + 1) * threads);
           ++i) {
        const Effort effort{.watch = watch,
                            .tries = tries / different,
                            .seed = goal_.seed + ++searches_,
                            .counts = counts()};
        running.push_back(launch(threads > 1, tasks[i], effort));
      }
      Best found;
      for (std::future<Best>& one : running) found.take(one.get());
      best_.take(std::move(found));
    }
  }

  // What a search from a cut comes to is decided early: two short ones find more than a long one.
  [[nodiscard]] Best search_twice(const Start& start, const Effort& own) const {
    Effort first = own;
    first.watch = own.watch.part(0.5);
    first.tries = own.tries / 2;
    Effort second = own;
    second.tries = own.tries - first.tries;
    second.seed = ~own.seed;
    Best best;
    best.take(search(start, first));
    best.take(search(start, second));
    return best;
  }

  [[nodiscard]] Found search(const Start& start, const Effort& own) const {
    std::optional<StagedSearch> search;
    try {
      search.emplace(StagedPlan(staged_.program(), start.limits, start.placements, own.watch),
                     StagedSearch::Options{.seed = own.seed,
                                           .first_temperature = start.temperature,
                                           .target = start.target,
                                           .first_price = start.price});
      go_through(*search, own);
    } catch (const TimeIsUp&) {
      if (!search) return {};
    }
    if (!search->has_plan()) {
      const double violation = search->violation();
      const double price = search->price();
      return {.placements = std::move(*search).take(),
              .limits = start.limits,
              .violation = violation,
              .price = price};
    }
    const double cost = search->best_cost();
    return {.placements = std::move(*search).take(), .limits = start.limits, .cost = cost};
  }

  void go_through(StagedSearch& search, const Effort& own) const {
    const double seconds = own.watch.seconds_left();
    while (search.can_improve()) {
      if (own.counts ? search.tries() >= own.tries : own.watch.is_over()) break;
      if (goal_.is_any_plan && search.has_plan()) break;
      search.run(batch, own.counts
                            ? static_cast<double>(search.tries()) / static_cast<double>(own.tries)
                            : 1 - own.watch.seconds_left() / seconds);
    }
  }

  // ---- the smallest budget that is met ----

  // Below what MinCut meets: by halving, each budget with searches of its own, and none of it
  // depends on the request's. So a budget is met if it is no smaller than where that ends, and
  // where one is refused that is the one to name.
  void find_least() {
    const Goal goal = goal_;
    const Best best = std::exchange(best_, {});
    const std::uint64_t searches = searches_;
    is_least_final_ = ladder_.is_complete();
    least_bytes_ = ladder_.smallest_bytes();
    least_placements_ = ladder_.nearest();
    goal_ = {.tries = tries_within(),
             .watch = is_timed() ? watch_until(first_share + later_share) : SearchWatch{},
             .is_any_plan = true};
    try {
      look_below(goal.budget);
    } catch (const TimeIsUp&) {
      is_least_final_ = false;
    }
    goal_ = goal;
    best_ = best;
    searches_ = searches;
    if (least_bytes_ > goal.budget) {
      least_ = {};
      if (is_least_final_ || is_hopeless()) refuse();
    }
    least_.limits = limits_at_rest(least_.boundary_bytes);
  }

  // Ends as soon as the budget that was asked for is met.
  void look_below(byte_count enough) {
    constexpr byte_count precision = 1000;
    const byte_count grain = byte_grain(staged_.request().program);
    const byte_count first = std::max<byte_count>((lower_bound_bytes_ + grain - 1) / grain, 1);
    byte_count fails = first - 1;
    for (byte_count next = first; next * grain < least_bytes_ && least_bytes_ > enough;) {
      if (!is_met(next * grain)) fails = next;
      const byte_count works = (least_bytes_ - 1) / grain;
      if (works <= fails || least_bytes_ - fails * grain <= least_bytes_ / precision) break;
      next = fails + (works - fails + 1) / 2;
    }
  }

  [[nodiscard]] bool is_met(byte_count budget) {
    goal_.watch.look();
    ++budgets_tried_;
    goal_.budget = budget;
    best_ = {};
    searches_ = 0;
    begin_to_search();
    go_on_searching();
    if (!best_.plan.is_plan()) {
      const Effort own{.watch = goal_.watch, .tries = goal_.tries / 2, .counts = true};
      best_.take(search(
          {.placements = least_placements_, .limits = limits_of_even_shares(), .temperature = warm},
          own));
    }
    if (!best_.plan.is_plan()) {
      goal_.watch.look();
      return false;
    }
    least_ = std::move(best_.plan);
    const Plan played =
        staged_.play(StagedPlan(staged_.program(), least_.limits, least_.placements));
    least_placements_ = least_.placements;
    least_.cost = played.recomputed_cost;
    least_.boundary_bytes = played.boundary_bytes;
    least_bytes_ = played.peak_bytes;
    return true;
  }

  [[nodiscard]] std::uint64_t tries_within() const {
    constexpr std::uint64_t fewest = 2000;
    constexpr std::uint64_t for_each_operation = 4;
    if (!is_timed()) return effort_.tries;
    return fewest + for_each_operation * staged_.program().operation_count();
  }

  [[noreturn]] void refuse() const {
    std::string how = "the least that min-cut and searches of " + std::to_string(tries_within()) +
                      " tries within " + std::to_string(budgets_tried_) +
                      (budgets_tried_ == 1 ? " budget came to" : " budgets came to");
    if (!is_least_final_) {
      how += " in " + std::to_string(effort_.seconds) + " seconds, after which more may be found";
    }
    throw budget_infeasible({.planner = planner_,
                             .budget = staged_.request().budget,
                             .smallest = least_bytes_,
                             .how = how,
                             .bound = lower_bound_bytes_});
  }

  [[nodiscard]] Choice finish() {
    if (!best_.plan.is_plan()) refuse();
    Choice choice;
    choice.plan =
        staged_.play(StagedPlan(staged_.program(), best_.plan.limits, best_.plan.placements));
    choice.plan.lower_bound_bytes = lower_bound_bytes_;
    choice.plan.lower_bound_cost = std::min(best_.bound, choice.plan.recomputed_cost);
    choice.placements = std::move(best_.plan.placements);
    return choice;
  }

  std::string_view planner_;
  StagedRequest& staged_;
  SearchEffort effort_;
  const SearchClock& clock_;
  time_point begin_;
  byte_count lower_bound_bytes_;
  double seconds_ = 0;  ///< of the effort, without what the end takes
  Ladder ladder_;
  std::vector<Placement> base_;  ///< what the user forces
  std::optional<Best> climbed_;  ///< what the ladder came to
  Goal goal_;
  Best best_;
  Found least_;  ///< a plan that fits, if a budget below MinCut's smallest is met
  std::vector<Placement> least_placements_;
  byte_count least_bytes_ = unlimited_bytes;
  bool is_least_final_ = false;  ///< nothing that might find less was ended by the time
  int budgets_tried_ = 0;        ///< to find the least that is met
  std::uint64_t searches_ = 0;
};

}  // namespace reprise::inline v0::staged
