// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Penalised local searches, side by side.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <limits>
#include <memory>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/planner/budget_infeasible.hpp>
#include <reprise/planner/byte_grain.hpp>
#include <reprise/planner/on_demand_player.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/planner/search_clock.hpp>
#include <reprise/planner/search_effort.hpp>
#include <reprise/planner/search_watch.hpp>
#include <reprise/planner/staged/fences.hpp>
#include <reprise/planner/staged/finer_program.hpp>
#include <reprise/planner/staged/instant_cut.hpp>
#include <reprise/planner/staged/ladder.hpp>
#include <reprise/planner/staged/on_demand_seeds.hpp>
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
  std::shared_ptr<const FinerProgram> finer{};  ///< if any: it has the placements
  double temperature = 0;                       ///< see `StagedSearch::Options`
  double target = 0;                            ///< a cost that no plan is below
  double price = 0;                             ///< of a byte over the budget, if it is known
};

/// What a search came to: a plan, or how far it is from one.
struct Found {
  std::vector<Placement> placements{};
  StagedPlan::Limits limits{};
  std::shared_ptr<const FinerProgram> finer{};  ///< if any: it has the placements
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
  Found plan{};           ///< the cheapest
  Found nearest{};        ///< of those without a plan: the one that is the least over the budget
  double bound = 0;       ///< what was proven of the cost of any plan
  OnDemandTally tally{};  ///< of what recomputed on demand
  byte_count smallest_bytes = unlimited_bytes;  ///< that this needed

  /// The plan if there is one.
  [[nodiscard]] const Found& plan_or_nearest() const noexcept {
    return plan.is_plan() ? plan : nearest;
  }
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
    tally.add(other.tally);
    smallest_bytes = std::min(smallest_bytes, other.smallest_bytes);
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
  /// @param most_runs of any operation of what recomputes on demand; below 2 nothing does
  /// @throws InvalidArgument if the effort's seconds are negative or no time
  Searcher(std::string_view planner, StagedRequest& staged, const SearchEffort& effort,
           const SearchClock& clock, time_point begin, std::uint32_t most_runs = 30)
      : planner_(planner),
        most_runs_(most_runs),
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
  /// @param stages if any: of the `FinerProgram` that has them
  /// @throws BudgetInfeasible if neither `MinCut` nor a search nor recomputing on demand meets the
  ///   budget
  [[nodiscard]] Choice plan(std::span<const Placement> known = {},
                            std::span<const operation_id> stages = {}) {
    consider(known, stages);
    const bool is_known = best_.plan.is_plan();
    if (!is_timed() || is_hopeless()) climb();
    if (climbed_ && !climbed_->plan.is_plan() && !is_known) find_least();
    begin_to_search();
    if (best_.nearest.finer && !best_.plan.is_plan()) {
      run(first_share, first_share + later_share, {}, later_searches());
    }
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
  static constexpr double late_share = 0.9;    ///< when only a refusal can be made better
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

  void consider(std::span<const Placement> known, std::span<const operation_id> stages) {
    if (known.empty()) return;
    Found found{.placements = {known.begin(), known.end()}, .limits = staged_.limits()};
    if (!stages.empty()) {
      found.finer = finer({stages.begin(), stages.end()});
    }
    const Plan played = play(found);
    const StagedPlan plan(program_of(found), limits_at_rest(played.boundary_bytes), known);
    if (!plan.fits()) return;
    found.limits = plan.limits();
    found.cost = played.recomputed_cost;
    best_.take(std::move(found));
  }

  // ---- programs with further stages ----

  template <class T>
  [[nodiscard]] const StagedProgram& program_of(const T& of) const noexcept {
    return of.finer ? of.finer->program() : staged_.program();
  }
  [[nodiscard]] std::shared_ptr<const FinerProgram> finer(std::vector<operation_id> stages) const {
    auto finer = std::make_shared<FinerProgram>(staged_.request().program, std::move(stages));
    anchor(*finer);
    return finer;
  }
  void anchor(FinerProgram& finer) const {
    if (ladder_.instant() >= staged_.program().operation_count()) return;
    finer.program().anchor(finer.number(ladder_.instant()));
  }
  [[nodiscard]] Plan play(const Found& found) const {
    const Schedule schedule =
        schedule_of(StagedPlan(program_of(found), found.limits, found.placements));
    return staged_.play(found.finer ? found.finer->schedule_of_program(schedule) : schedule);
  }

  // ---- what recomputes on demand ----

  [[nodiscard]] bool may_recompute_on_demand() const {
    return most_runs_ > 1 && staged_.request().passes_in_flight == 1 &&
           std::ranges::all_of(staged_.request().overrides, [](LayerOverride override) {
             return override == LayerOverride::none;
           });
  }

  // A schedule that recomputes on demand, of this budget or the next that has one, and what
  // searches make of it.
  [[nodiscard]] Best search_from_on_demand(const Effort& own) const {
    constexpr double share = 0.4;  // most of it is the searches'
    Best best;
    OnDemandLimit limit{.watch = own.counts ? own.watch : own.watch.part(share)};
    if (goal_.is_any_plan) limit.work /= 4;
    const OnDemandSeeds seeds(staged_.request().program, most_runs_);
    const byte_count budget = goal_.budget;
    std::optional<OnDemandSeeds::Seed> seed = seeds.at(budget, limit);
    if (!seed) seed = seeds.next_above(budget, limit);
    best.tally = limit.tally;
    if (!seed) return best;
    best.smallest_bytes = seed->peak_bytes;
    best.take(found(*seed, budget));
    Effort half = own;
    half.watch = own.watch.part(0.5);
    half.tries = own.tries / 2;
    const auto go_on_at = [&](double factor) {
      best.take(search(on_from(priced(best.plan_or_nearest(), factor), cool, best_.bound), half));
    };
    go_on_at(best.plan.is_plan() ? low_factor : high_factor);
    half.watch = own.watch;
    half.seed = ~own.seed;
    if (!best.plan.is_plan()) {
      go_on_at(highest_factor);
    } else {
      go_on_at(is_cheap(best.plan) ? lowest_factor : low_factor);
    }
    return best;
  }
  [[nodiscard]] Found found(const OnDemandSeeds::Seed& seed, byte_count budget) const {
    const FinerPlan plan = finer_plan(staged_.request().program, seed.schedule);
    if (!StagedPlan::can_run(plan.program->program(), plan.placements)) return {};
    anchor(*plan.program);
    Found found{
        .placements = plan.placements, .limits = limits_at_rest(budget, 0), .finer = plan.program};
    const StagedPlan placed(plan.program->program(), found.limits, found.placements);
    if (placed.fits()) {
      found.cost = placed.cost();
    } else {
      found.violation = placed.profile().violation();
    }
    return found;
  }
  // Where little of a budget is free a low price of a byte leads away from it for good, and where
  // much is a high one hinders.
  static constexpr double lowest_factor = 6;
  static constexpr double low_factor = 60;
  static constexpr double high_factor = 1000;
  static constexpr double highest_factor = 1e5;
  // Then a budget has bytes to spare.
  [[nodiscard]] bool is_cheap(const Found& plan) const {
    return plan.cost < staged_.program().total_cost();
  }
  [[nodiscard]] Found priced(Found from, double factor) const {
    from.price = factor * typical_price();
    return from;
  }
  [[nodiscard]] std::vector<Task> searches_on(const Found& from) const {
    if (!from.is_plan()) {
      return {go_on(priced(from, high_factor), cool), go_on(priced(from, highest_factor), cool)};
    }
    if (is_cheap(from)) {
      return {go_on(priced(from, lowest_factor), warm), go_on(priced(from, low_factor), cool)};
    }
    return {go_on(priced(from, low_factor), cool), go_on(priced(from, high_factor), cool)};
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
    if (!ladder_.climb(watch_of_proof(), watch_until(first_share + later_share), extent)) {
      no_cut_fits_ = may_recompute_on_demand();
      return;
    }
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

  // Until it is known that no cut fits: then from what recomputes on demand.
  [[nodiscard]] Best search_from_nothing(const Effort& own) const {
    Best best;
    if (!no_cut_fits_) best.take(search_hot(own, [this] { return no_cut_fits_.load(); }));
    if (!no_cut_fits_ || best.plan.is_plan()) return best;
    Best on_demand = search_from_on_demand(own);
    const bool has_seed = on_demand.smallest_bytes < unlimited_bytes;
    best.take(std::move(on_demand));
    if (!has_seed) best.take(search_hot(own, [] { return false; }));
    return best;
  }
  template <std::predicate F>
  [[nodiscard]] Found search_hot(const Effort& own, F ends) const {
    return search({.placements = base_, .limits = limits_of_even_shares(), .temperature = hot}, own,
                  ends);
  }

  [[nodiscard]] std::vector<Task> later_searches() const {
    // From what was best when the round began, whichever of its searches ends first.
    const Found& on_demand = best_.plan_or_nearest();
    if (on_demand.finer) return searches_on(on_demand);
    if (!best_.plan.is_plan() && !best_.nearest.is_near()) {
      return {[this](const Effort& own) { return search_from_nothing(own); }};
    }
    if (!best_.plan.is_plan()) return {go_on(best_.nearest, cool), go_on(best_.nearest, warm)};
    if (best_.nearest.placements.empty()) return {go_on(best_.plan, cool), go_on(best_.plan, warm)};
    Found kept = best_.plan;
    kept.price = high_price();
    return {go_on(kept, cool), go_on(best_.nearest, cool)};
  }

  [[nodiscard]] Task go_on(const Found& from, double temperature) const {
    return [this, start = on_from(from, temperature, best_.bound)](const Effort& own) {
      Best best;
      best.take(search(start, own));
      return best;
    };
  }
  [[nodiscard]] static Start on_from(const Found& from, double temperature, double target) {
    return {.placements = from.placements,
            .limits = from.limits,
            .finer = from.finer,
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
      tally_.add(found.tally);
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
    return search(start, own, [] { return false; });
  }
  template <std::predicate F>
  [[nodiscard]] Found search(const Start& start, const Effort& own, F ends) const {
    std::optional<StagedSearch> search;
    try {
      StagedSearch::Options options{.seed = own.seed,
                                    .first_temperature = start.temperature,
                                    .target = start.target,
                                    .first_price = start.price};
      if (start.finer) options.most_runs = most_runs_;
      search.emplace(StagedPlan(program_of(start), start.limits, start.placements, own.watch),
                     options);
      go_through(*search, own, ends);
    } catch (const TimeIsUp&) {
      if (!search) return {};
    }
    if (!search->has_plan()) {
      const double violation = search->violation();
      const double price = search->price();
      return {.placements = std::move(*search).take(),
              .limits = start.limits,
              .finer = start.finer,
              .violation = violation,
              .price = price};
    }
    const double cost = search->best_cost();
    return {.placements = std::move(*search).take(),
            .limits = start.limits,
            .finer = start.finer,
            .cost = cost};
  }

  template <std::predicate F>
  void go_through(StagedSearch& search, const Effort& own, F ends) const {
    const double seconds = own.watch.seconds_left();
    while (search.can_improve() && !ends()) {
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
    const SearchWatch watch = watch_of_least();
    const Best best = std::exchange(best_, {});
    const std::uint64_t searches = searches_;
    is_least_final_ = ladder_.is_complete();
    least_bytes_ = ladder_.smallest_bytes();
    least_placements_ = ladder_.nearest();
    least_finer_ = nullptr;
    goal_ = {.tries = tries_within(), .watch = watch, .is_any_plan = true};
    try {
      look_below(goal.budget);
    } catch (const TimeIsUp&) {
      is_least_final_ = false;
    }
    goal_ = goal;
    best_ = best;
    searches_ = searches;
    if (is_timed()) least_bytes_ = std::min(least_bytes_, best_.smallest_bytes);
    if (least_bytes_ > goal.budget) {
      least_ = {};
      if (is_least_final_ || is_hopeless()) refuse();
    }
    least_.limits = limits_at_rest(least_.boundary_bytes);
  }

  [[nodiscard]] SearchWatch watch_of_least() const {
    if (!is_timed()) return {};
    return watch_until(best_.nearest.finer ? late_share : first_share + later_share);
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
      best_.take(search({.placements = least_placements_,
                         .limits = limits_of_even_shares(),
                         .finer = least_finer_,
                         .temperature = warm},
                        own));
    }
    if (!best_.plan.is_plan()) {
      goal_.watch.look();
      return false;
    }
    least_ = std::move(best_.plan);
    const Plan played = play(least_);
    least_placements_ = least_.placements;
    least_finer_ = least_.finer;
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
    const byte_count bound = sharper_lower_bound_bytes(staged_.request().program);
    const std::string why = staged_.request().budget < bound ? "the bound forbids it" : tallied();
    throw budget_infeasible({.planner = planner_,
                             .budget = staged_.request().budget,
                             .smallest = least_bytes_,
                             .how = how,
                             .bound = bound,
                             .why = why});
  }
  [[nodiscard]] std::string tallied() const {
    const std::uint32_t all = tally_.by_runs + tally_.by_bytes + tally_.by_work;
    if (all == 0) return {};
    return "of " + std::to_string(all) + " attempts to recompute on demand that failed " +
           std::to_string(tally_.by_runs) + " came to more than the " + std::to_string(most_runs_) +
           " runs that an operation may have, " + std::to_string(tally_.by_bytes) +
           " to operands that are too large together, and " + std::to_string(tally_.by_work) +
           " took too long";
  }

  [[nodiscard]] Choice finish() {
    if (!best_.plan.is_plan()) refuse();
    Choice choice;
    choice.plan = play(best_.plan);
    if (best_.plan.finer) choice.stages = best_.plan.finer->stages();
    choice.plan.lower_bound_bytes = lower_bound_bytes_;
    choice.plan.lower_bound_cost = std::min(best_.bound, choice.plan.recomputed_cost);
    choice.placements = std::move(best_.plan.placements);
    return choice;
  }

  std::string_view planner_;
  std::uint32_t most_runs_;
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
  std::shared_ptr<const FinerProgram> least_finer_;  ///< if any: it has those
  byte_count least_bytes_ = unlimited_bytes;
  bool is_least_final_ = false;  ///< nothing that might find less was ended by the time
  int budgets_tried_ = 0;        ///< to find the least that is met
  std::uint64_t searches_ = 0;
  OnDemandTally tally_;                    ///< of all searches
  std::atomic<bool> no_cut_fits_ = false;  ///< and what recomputes on demand is looked at
};

}  // namespace reprise::inline v0::staged
