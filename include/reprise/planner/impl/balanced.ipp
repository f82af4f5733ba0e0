// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <reprise/core/error.hpp>
#include <reprise/core/hash.hpp>
#include <reprise/planner/balanced.hpp>
#include <reprise/planner/budget_infeasible.hpp>
#include <reprise/planner/search_clock.hpp>
#include <reprise/planner/staged/finer_program.hpp>
#include <reprise/planner/staged/ladder.hpp>
#include <reprise/planner/staged/searcher.hpp>
#include <reprise/planner/staged/staged_plan.hpp>
#include <reprise/planner/staged/staged_request.hpp>
#include <reprise/planner/staged/staged_schedule.hpp>
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

/// A hash of what a program says beside bytes and costs, and of what is asked beside the budget:
/// shapes of one graph differ in nothing else.
[[nodiscard]] inline std::uint64_t structure_of(const PlanRequest& request) {
  std::uint64_t key = hash_combine(request.program.loss(), request.passes_in_flight);
  for (const LayerOverride override : request.overrides) {
    key = hash_combine(key, static_cast<std::uint64_t>(override));
  }
  for (const Value& value : request.program.values()) {
    key = hash_combine(key, (static_cast<std::uint64_t>(value.kind) << 1U) + (value.stays ? 1 : 0));
    key = hash_combine(key, value.view_of ? std::uint64_t{*value.view_of} + 1 : 0);
  }
  for (const Operation& op : request.program.operations()) {
    for (const auto* list : {&op.reads, &op.writes, &op.consumes, &op.accumulates}) {
      key = hash_combine(key, list->size());
      for (const value_id value : *list) key = hash_combine(key, value);
    }
    key = hash_combine(key, (op.repeatable ? 1U : 0U) + (op.can_skip_output ? 2U : 0U));
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
  staged::StagedRequest staged(request);
  const bool is_known = key == key_ && can_run(staged, placed_);
  if (is_known && request.step == step_) return replay(staged);
  const Placed known = is_known ? placed_ : Placed{.runs = runs_of_similar(request, staged)};
  const bool is_begun = is_known || !known.runs.empty();
  const double seconds = is_begun ? next_seconds() : first_seconds();
  if (!is_known && is_begun && seconds < least_seconds) {
    key_ = key;
    step_ = request.step;
    bound_ = 0;
    placed_ = known;
    return replay(staged);
  }
  const SearchEffort effort{.seconds = seconds,
                            .tries = options_.tries,
                            .threads = options_.threads,
                            .seed = options_.seed + request.step};
  staged::Choice choice = search(staged, effort, begin, known);
  remember(staged, choice);
  key_ = key;
  step_ = request.step;
  bound_ = choice.plan.lower_bound_cost;
  placed_ = {.runs = std::move(choice.placements), .stages = std::move(choice.stages)};
  planned_at_ = clock_->now();
  return std::move(choice.plan);
}

bool Balanced::can_run(const staged::StagedRequest& staged, const Placed& placed) {
  if (placed.stages.empty()) return staged::StagedPlan::can_run(staged.program(), placed.runs);
  if (placed.stages.back() > staged.program().operation_count()) return false;
  const staged::FinerProgram finer(staged.request().program, placed.stages);
  return staged::StagedPlan::can_run(finer.program(), placed.runs);
}

std::vector<std::uint64_t> Balanced::state() const {
  std::vector<std::uint64_t> words{key_, step_, std::bit_cast<std::uint64_t>(bound_),
                                   placed_.stages.size()};
  words.insert(words.end(), placed_.stages.begin(), placed_.stages.end());
  for (const staged::Placement& p : placed_.runs) {
    words.push_back((std::uint64_t{p.op} << 32U) + p.stage);
  }
  return words;
}

void Balanced::restore(const std::vector<std::uint64_t>& words) {
  constexpr std::size_t head = 4;
  if (words.size() < head || words[head - 1] > words.size() - head) {
    throw CorruptState("a plan's state of " + std::to_string(words.size()) + " words");
  }
  Placed placed;
  const std::size_t first_run = head + words[head - 1];
  for (std::size_t i = head; i < first_run; ++i) {
    const auto stage = static_cast<operation_id>(words[i]);
    if (stage != words[i] || (i > head && words[i] < words[i - 1])) {
      throw CorruptState("word " + std::to_string(i) + " of a plan's state puts a stage before " +
                         "operation " + std::to_string(words[i]));
    }
    placed.stages.push_back(stage);
  }
  for (std::size_t i = first_run; i < words.size(); ++i) {
    const staged::Placement p{static_cast<operation_id>(words[i] >> 32U),
                              static_cast<staged::stage_id>(words[i] & 0xFFFFFFFFU)};
    if (p.stage < p.op || (!placed.runs.empty() && p <= placed.runs.back())) {
      throw CorruptState("word " + std::to_string(i) + " of a plan's state places operation " +
                         std::to_string(p.op) + " at stage " + std::to_string(p.stage));
    }
    placed.runs.push_back(p);
  }
  key_ = words[0];
  step_ = words[1];
  bound_ = std::bit_cast<double>(words[2]);
  placed_ = std::move(placed);
  known_.clear();
  planned_at_.reset();
}

staged::Choice Balanced::search(staged::StagedRequest& staged, SearchEffort effort,
                                SearchClock::time_point begin, const Placed& known) {
  for (;; begin = clock_->now()) {
    staged::Searcher searcher("balanced", staged, effort, *clock_, begin, options_.most_runs);
    try {
      staged::Choice choice = searcher.plan(known.runs, known.stages);
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

// Of those that, scaled to this program, need no more than the budget and nearly all of it: one
// that needs less recomputes too much. The first of the largest ones that does fit.
std::vector<staged::Placement> Balanced::runs_of_similar(
    const PlanRequest& request, const staged::StagedRequest& staged) const {
  constexpr double worthwhile = 0.95;
  constexpr std::size_t most_tried = 3;
  if (options_.tries != 0 || known_.empty() || request.passes_in_flight != 1) return {};
  const std::uint64_t structure = balanced::structure_of(request);
  const auto budget = static_cast<double>(request.budget);
  std::vector<std::pair<double, const Known*>> similar;
  for (const Known& one : known_) {
    const double scale = staged.program().total_bytes() / one.program_bytes;
    const double peak = scale * static_cast<double>(one.peak_bytes);
    if (one.structure != structure || peak < worthwhile * budget || peak > budget) continue;
    similar.emplace_back(peak, &one);
  }
  std::ranges::sort(similar, std::greater<>{}, [](const auto& one) { return one.first; });
  if (similar.size() > most_tried) similar.resize(most_tried);
  for (const auto& [peak, one] : similar) {
    if (one->runs.empty() || !staged::StagedPlan::can_run(staged.program(), one->runs)) continue;
    if (staged::StagedPlan(staged.program(), staged.limits(), one->runs).fits()) return one->runs;
  }
  return {};
}

void Balanced::remember(const staged::StagedRequest& staged, const staged::Choice& choice) {
  if (options_.tries != 0 || staged.request().passes_in_flight != 1) return;
  if (!choice.stages.empty()) return;
  if (known_.size() == most_known) known_.erase(known_.begin());
  known_.push_back({.structure = balanced::structure_of(staged.request()),
                    .program_bytes = staged.program().total_bytes(),
                    .peak_bytes = choice.plan.peak_bytes,
                    .runs = choice.placements});
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

Plan Balanced::replay_runs(staged::StagedRequest& staged) const {
  if (placed_.stages.empty()) {
    return staged.play(staged::StagedPlan(staged.program(), staged.limits(), placed_.runs));
  }
  const staged::FinerProgram finer(staged.request().program, placed_.stages);
  const staged::StagedPlan plan(finer.program(), staged.limits(), placed_.runs);
  return staged.play(finer.schedule_of_program(staged::schedule_of(plan)));
}

Plan Balanced::replay(staged::StagedRequest& staged) const {
  Plan plan = replay_runs(staged);
  plan.lower_bound_bytes = lower_bound_bytes(staged.request().program);
  plan.lower_bound_cost = bound_;
  return plan;
}

}  // namespace reprise::inline v0
