// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The planner that an engine uses by default.

#include <cstdint>
#include <optional>
#include <reprise/core/units.hpp>
#include <reprise/planner/decl.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/planner/search_clock.hpp>
#include <reprise/planner/search_effort.hpp>
#include <reprise/planner/staged/placement.hpp>
#include <vector>

namespace reprise::inline v0 {

namespace staged {
class StagedRequest;
struct Choice;
}  // namespace staged

/// `MinCut`, and then as much `LocalSearch` as a share of the training time allows: each replan
/// goes on from the last one's plan and is never worse.
///
/// Where each step shows shapes of its own, a plan that was made for nearly as large ones serves
/// them too, as long as it fits and needs most of the budget: none is then made for a few steps
/// that take less than a planner does. Only where time counts: with `tries` each shape has a
/// search.
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
    std::uint64_t tries = 0;       ///< if not 0: instead of any time
    unsigned threads = 1;          ///< of each search
    std::uint64_t seed = 0;        ///< of the search's random choices
    std::uint32_t most_runs = 30;  ///< as `LocalSearch::most_runs`
  };

  Balanced() = default;
  /// @throws InvalidArgument if the share is not in [0, 1] or a time is negative
  explicit Balanced(Options options) : Balanced(options, SearchClock::steady()) {}
  /// The same by another clock, as tests have one.
  /// @param clock must outlive the planner and its copies
  REPRISE_PLANNER_DECL Balanced(Options options, const SearchClock& clock);

  /// @throws BudgetInfeasible as `LocalSearch`
  [[nodiscard]] REPRISE_PLANNER_DECL Plan operator()(const PlanRequest& request);

  /// The last request and where its operations run. What is known of other shapes saves time alone
  /// and is no part of it.
  [[nodiscard]] REPRISE_PLANNER_DECL std::vector<std::uint64_t> state() const;

  /// @throws CorruptState if that is not what `state` gives; nothing changes then
  REPRISE_PLANNER_DECL void restore(const std::vector<std::uint64_t>& words);

 private:
  /// Where operations run.
  struct Placed {
    std::vector<staged::Placement> runs{};
    std::vector<operation_id> stages{};  ///< if any: of the `staged::FinerProgram` that has them
  };
  [[nodiscard]] REPRISE_PLANNER_DECL static bool can_run(const staged::StagedRequest& staged,
                                                         const Placed& placed);

  [[nodiscard]] REPRISE_PLANNER_DECL staged::Choice search(staged::StagedRequest& staged,
                                                           SearchEffort effort,
                                                           SearchClock::time_point begin,
                                                           const Placed& known);
  [[nodiscard]] REPRISE_PLANNER_DECL double first_seconds() const;
  [[nodiscard]] REPRISE_PLANNER_DECL double next_seconds() const;
  [[nodiscard]] REPRISE_PLANNER_DECL Plan replay_runs(staged::StagedRequest& staged) const;
  [[nodiscard]] REPRISE_PLANNER_DECL Plan replay(staged::StagedRequest& staged) const;
  /// A plan that was searched for.
  struct Known {
    std::uint64_t structure;              ///< of its request: all but bytes and costs
    double program_bytes;                 ///< of its program's values together
    byte_count peak_bytes;                ///< that it needs
    std::vector<staged::Placement> runs;  ///< where its operations run
  };
  /// The runs of one that fits; empty if none that is worth while does.
  [[nodiscard]] REPRISE_PLANNER_DECL std::vector<staged::Placement> runs_of_similar(
      const PlanRequest& request, const staged::StagedRequest& staged) const;
  REPRISE_PLANNER_DECL void remember(const staged::StagedRequest& staged,
                                     const staged::Choice& choice);

  static constexpr double least_seconds = 0.001;
  static constexpr std::size_t most_known = 32;

  Options options_{};
  const SearchClock* clock_ = &SearchClock::steady();
  double enough_seconds_ = least_seconds;  ///< that found a plan where none was known
  std::uint64_t key_ = 0;
  std::uint64_t step_ = 0;
  double bound_ = 0;
  Placed placed_;
  std::vector<Known> known_;  ///< the latest last
  std::optional<SearchClock::time_point> planned_at_;
};

static_assert(StatefulPlanner<Balanced>);

}  // namespace reprise::inline v0

#ifndef REPRISE_SEPARATE_PLANNERS
#include <reprise/planner/impl/balanced.ipp>
#endif
