// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The planner that an engine uses by default.

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/core/hash.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/planner/staged/staged_request.hpp>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// `MinCut`, and then as much `LocalSearch` as a share of the training time allows: each replan
/// goes on from the last one's plan and is never worse.
///
/// How long the steps until the next replan take is taken from the last interval; the first search
/// takes `first_seconds`. With `tries` each search has as many whatever time they take, so that
/// plans repeat. Copies remember on their own.
class Balanced {
 public:
  static constexpr bool reads_statistics = false;  ///< a StatisticsFreePlanner

  /// How much search there is, and of which kind.
  struct Options {
    double share = 0.01;          ///< of the time between two replans
    double first_seconds = 0.05;  ///< before any interval is known; see `most_seconds`
    /// Of one search: more adds next to nothing. One of a new program, without which there is no
    /// plan at all, is begun anew with twice the time, up to this, until it finds one.
    double most_seconds = 1.0;
    std::uint64_t tries = 0;  ///< if not 0: instead of any time
    unsigned threads = 1;     ///< of each search
    std::uint64_t seed = 0;   ///< of the search's random choices
  };

  Balanced() = default;
  /// @throws InvalidArgument if the share is not in [0, 1] or a time is negative
  explicit Balanced(Options options) : Balanced(options, SearchClock::steady()) {}
  /// The same by another clock, as tests have one.
  /// @param clock must outlive the planner and its copies
  Balanced(Options options, const SearchClock& clock) : options_(options), clock_(&clock) {
    if (!(options.share >= 0 && options.share <= 1) || !(options.first_seconds >= 0) ||
        !(options.most_seconds >= 0)) {
      throw InvalidArgument("a search takes a share from 0 to 1 and 0 seconds or more, not " +
                            std::to_string(options.share) + ", " +
                            std::to_string(options.first_seconds) + " and " +
                            std::to_string(options.most_seconds));
    }
  }

  /// @throws BudgetInfeasible as `LocalSearch`
  [[nodiscard]] Plan operator()(const PlanRequest& request) {
    const SearchClock::time_point begin = clock_->now();
    const std::uint64_t key = key_of(request);
    StagedRequest staged(request);
    const bool is_known = key == key_ && StagedPlan::can_run(staged.program(), placements_);
    if (is_known && request.step == step_) return replay(staged);
    const SearchEffort effort{.seconds = is_known ? next_seconds() : first_seconds(),
                              .tries = options_.tries,
                              .threads = options_.threads,
                              .seed = options_.seed + request.step};
    min_cut::Choice choice =
        search(staged, effort, begin, is_known ? placements_ : std::vector<Placement>{});
    key_ = key;
    step_ = request.step;
    bound_ = choice.plan.bound_cost;
    placements_ = std::move(choice.placements);
    planned_at_ = clock_->now();
    return std::move(choice.plan);
  }

  /// The last request and where its operations run.
  [[nodiscard]] std::vector<std::uint64_t> state() const {
    std::vector<std::uint64_t> words{key_, step_, std::bit_cast<std::uint64_t>(bound_)};
    for (const Placement& p : placements_) {
      words.push_back((std::uint64_t{p.op} << 32U) + p.stage);
    }
    return words;
  }

  /// @throws CorruptState if that is not what `state` gives; nothing changes then
  void restore(const std::vector<std::uint64_t>& words) {
    if (words.size() < 3) {
      throw CorruptState("a plan's state of " + std::to_string(words.size()) + " words");
    }
    std::vector<Placement> placements;
    for (std::size_t i = 3; i < words.size(); ++i) {
      const Placement p{static_cast<operation_id>(words[i] >> 32U),
                        static_cast<stage_id>(words[i] & 0xFFFFFFFFU)};
      if (p.stage < p.op || (!placements.empty() && p <= placements.back())) {
        throw CorruptState("word " + std::to_string(i) + " of a plan's state places operation " +
                           std::to_string(p.op) + " at stage " + std::to_string(p.stage));
      }
      placements.push_back(p);
    }
    key_ = words[0];
    step_ = words[1];
    bound_ = std::bit_cast<double>(words[2]);
    placements_ = std::move(placements);
    planned_at_.reset();
  }

 private:
  [[nodiscard]] static std::uint64_t key_of(const PlanRequest& request) {
    std::uint64_t key = hash_combine(request.program.fingerprint(), request.budget);
    key = hash_combine(key, request.passes_in_flight);
    for (const LayerOverride override : request.overrides) {
      key = hash_combine(key, static_cast<std::uint64_t>(override));
    }
    return key;
  }

  [[nodiscard]] min_cut::Choice search(StagedRequest& staged, SearchEffort effort,
                                       SearchClock::time_point begin,
                                       const std::vector<Placement>& known) {
    for (;; begin = clock_->now()) {
      local_search::Searcher searcher("balanced", staged, effort, *clock_, begin);
      try {
        min_cut::Choice choice = searcher.plan(known);
        // What took longer than it had to, on a busy machine, is tried in less time again.
        if (effort.seconds == enough_seconds_) {
          enough_seconds_ = std::max(0.9 * enough_seconds_, least_seconds);
        }
        return choice;
      } catch (const BudgetInfeasible&) {
        if (!searcher.was_cut_short() || effort.seconds >= options_.most_seconds) throw;
      }
      enough_seconds_ = std::max(2 * effort.seconds, least_seconds);
      effort.seconds = std::min(enough_seconds_, options_.most_seconds);
    }
  }

  // A program without an earlier plan needs time enough to find one: where each step shows shapes
  // of its own, as much as the last such program took, and not a share of one step.
  [[nodiscard]] double first_seconds() const {
    return std::min(std::max(next_seconds(), enough_seconds_), options_.most_seconds);
  }

  [[nodiscard]] double next_seconds() const {
    if (!planned_at_) return options_.first_seconds;
    const double interval = std::chrono::duration<double>(clock_->now() - *planned_at_).count();
    return std::min(options_.share * interval, options_.most_seconds);
  }

  [[nodiscard]] Plan replay(StagedRequest& staged) const {
    Plan plan = staged.play(StagedPlan(staged.program(), staged.limits(), placements_));
    plan.bound_bytes = lower_bound_bytes(staged.request().program);
    plan.bound_cost = bound_;
    return plan;
  }

  static constexpr double least_seconds = 0.001;

  Options options_{};
  const SearchClock* clock_ = &SearchClock::steady();
  double enough_seconds_ = least_seconds;  ///< that found a plan where none was known
  std::uint64_t key_ = 0;
  std::uint64_t step_ = 0;
  double bound_ = 0;
  std::vector<Placement> placements_;
  std::optional<SearchClock::time_point> planned_at_;
};

static_assert(StatefulPlanner<Balanced>);

}  // namespace reprise::inline v0
