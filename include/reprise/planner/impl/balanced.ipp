// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <reprise/core/error.hpp>
#include <reprise/core/hash.hpp>
#include <reprise/planner/balanced.hpp>
#include <reprise/planner/search_clock.hpp>
#include <reprise/planner/staged/ladder.hpp>
#include <reprise/planner/staged/searcher.hpp>
#include <reprise/planner/staged/staged_plan.hpp>
#include <reprise/planner/staged/staged_request.hpp>
#include <reprise/program/bounds.hpp>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

namespace balanced {

[[nodiscard]] inline std::uint64_t key_of(const PlanRequest& request) {
  std::uint64_t key = hash_combine(request.program.fingerprint(), request.budget);
  key = hash_combine(key, request.passes_in_flight);
  for (const LayerOverride override : request.overrides) {
    key = hash_combine(key, static_cast<std::uint64_t>(override));
  }
  return key;
}

}  // namespace balanced

Balanced::Balanced(Options options, const SearchClock& clock) : options_(options), clock_(&clock) {
  if (!(options.share >= 0 && options.share <= 1) || !(options.first_seconds >= 0) ||
      !(options.most_seconds >= 0)) {
    throw InvalidArgument("a search takes a share from 0 to 1 and 0 seconds or more, not " +
                          std::to_string(options.share) + ", " +
                          std::to_string(options.first_seconds) + " and " +
                          std::to_string(options.most_seconds));
  }
}

Plan Balanced::operator()(const PlanRequest& request) {
  const SearchClock::time_point begin = clock_->now();
  const std::uint64_t key = balanced::key_of(request);
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
  bound_ = choice.plan.lower_bound_cost;
  placements_ = std::move(choice.placements);
  planned_at_ = clock_->now();
  return std::move(choice.plan);
}

std::vector<std::uint64_t> Balanced::state() const {
  std::vector<std::uint64_t> words{key_, step_, std::bit_cast<std::uint64_t>(bound_)};
  for (const Placement& p : placements_) {
    words.push_back((std::uint64_t{p.op} << 32U) + p.stage);
  }
  return words;
}

void Balanced::restore(const std::vector<std::uint64_t>& words) {
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

min_cut::Choice Balanced::search(StagedRequest& staged, SearchEffort effort,
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
double Balanced::first_seconds() const {
  return std::min(std::max(next_seconds(), enough_seconds_), options_.most_seconds);
}

double Balanced::next_seconds() const {
  if (!planned_at_) return options_.first_seconds;
  const double interval = std::chrono::duration<double>(clock_->now() - *planned_at_).count();
  return std::min(options_.share * interval, options_.most_seconds);
}

Plan Balanced::replay(StagedRequest& staged) const {
  Plan plan = staged.play(StagedPlan(staged.program(), staged.limits(), placements_));
  plan.lower_bound_bytes = lower_bound_bytes(staged.request().program);
  plan.lower_bound_cost = bound_;
  return plan;
}

}  // namespace reprise::inline v0
