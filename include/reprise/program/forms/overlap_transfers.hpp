// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Copies between memories beside computing.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <reprise/core/units.hpp>
#include <reprise/program/lane_clocks.hpp>
#include <reprise/program/ledger.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <reprise/program/simulate.hpp>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// What copies may take while they go beside computing.
struct OverlapOptions {
  byte_count budget = unlimited_bytes;  ///< of the device, for one pass; below the schedule's own
                                        ///< peak: that
  bool keeps_boundary = false;  ///< no more bytes between forward and backward: several passes are
                                ///< in flight
};

namespace overlapping {

/// Starts offloads where they ran, and lets what they copy stay until the copy has ended or its
/// bytes are needed.
class OffloadPass {
 public:
  OffloadPass(const Program& program, byte_count budget, bool keeps_boundary)
      : program_(program),
        budget_(budget),
        keeps_boundary_(keeps_boundary),
        ledger_(program),
        clocks_(program) {}

  [[nodiscard]] Schedule run(const Schedule& schedule) {
    for (const Action& action : schedule.actions) {
      settle_what_has_ended();
      action.kind == ActionKind::drop ? drop(action) : begin(action);
    }
    while (!under_way_.empty()) settle(0);
    return std::move(result_);
  }

 private:
  struct Copy {
    operation_id op;
    value_id source;
    value_id form;
    double end;              ///< on the clock of its lane
    bool is_source_dropped;  ///< as soon as it was awaited
  };

  void begin(const Action& action) {
    const Operation& op = program_.operations()[action.index];
    settle_if([&](const Copy& copy) {
      const auto names = [](const std::vector<value_id>& list, value_id value) {
        return std::ranges::find(list, value) != list.end();
      };
      return copy.op == action.index || names(op.reads, copy.form) ||
             names(op.consumes, copy.source) ||
             (copy.is_source_dropped &&
              std::ranges::count(made_by(program_, action), copy.source) > 0);
    });
    const bool is_boundary = keeps_boundary_ && action.index == program_.loss();
    while (is_boundary && settle_oldest_drop()) {
    }
    const bool is_offload = action.kind == ActionKind::run && op.kind == OperationKind::offload;
    const Action now = is_offload ? Action::start(action.index) : action;
    while (ledger_.bytes_during(now) > budget_ && settle_oldest_drop()) {
    }
    emit(now);
    if (!is_offload) return;
    under_way_.push_back({.op = action.index,
                          .source = op.reads.front(),
                          .form = op.writes.front(),
                          .end = clocks_.now(Lane::to_host),
                          .is_source_dropped = false});
  }

  void drop(const Action& action) {
    settle_if([&](const Copy& copy) { return copy.form == action.index; });
    if (!defer_drop(action.index)) emit(action);
  }

  // True if the value is being copied: it goes with the end of that copy.
  bool defer_drop(value_id value) {
    const auto found = std::ranges::find(under_way_, value, &Copy::source);
    if (found != under_way_.end()) found->is_source_dropped = true;
    return found != under_way_.end();
  }

  void settle_what_has_ended() {
    settle_if([&](const Copy& copy) { return copy.end <= clocks_.now(Lane::compute); });
  }

  template <class F>
  void settle_if(F&& is_due) {
    for (std::size_t i = 0; i < under_way_.size();) {
      is_due(under_way_[i]) ? settle(i) : static_cast<void>(++i);
    }
  }

  bool settle_oldest_drop() {
    const auto found = std::ranges::find(under_way_, true, &Copy::is_source_dropped);
    if (found == under_way_.end()) return false;
    settle(static_cast<std::size_t>(found - under_way_.begin()));
    return true;
  }

  void settle(std::size_t i) {
    const Copy copy = under_way_[i];
    under_way_.erase(under_way_.begin() + static_cast<std::ptrdiff_t>(i));
    emit(Action::await(copy.op));
    if (copy.is_source_dropped && !defer_drop(copy.source)) emit(Action::drop(copy.source));
  }

  void emit(const Action& action) {
    ledger_.apply(action);
    clocks_.apply(action);
    result_.actions.push_back(action);
  }

  const Program& program_;
  byte_count budget_;
  bool keeps_boundary_;
  Ledger ledger_;
  LaneClocks clocks_;
  std::vector<Copy> under_way_;  ///< in the order in which they were started
  Schedule result_;
};

/// Starts fetches before they are due, in the order in which they are.
class FetchPass {
 public:
  FetchPass(const Program& program, const Schedule& schedule, byte_count budget,
            bool keeps_boundary)
      : program_(program), actions_(schedule.actions), budget_(budget) {
    play(keeps_boundary);
  }

  /// @param lead how much earlier than it takes to be in time a fetch is started, as a multiple of
  ///   what it costs; infinite: as early as bytes allow
  [[nodiscard]] Schedule run(double lead) {
    std::vector<std::vector<operation_id>> starts(actions_.size());
    std::vector<byte_count> added(actions_.size(), 0);
    std::size_t earliest = 0;
    const std::vector<double> due = due_times(lead);
    for (std::size_t n = 0; n < fetches_.size(); ++n) {
      const Fetch& fetch = fetches_[n];
      const Operation& op = program_.operations()[actions_[fetch.at].index];
      const byte_count bytes = program_.values()[op.writes.front()].bytes;
      std::size_t at = fetch.at;
      for (std::size_t before = at; before > std::max(fetch.earliest, earliest); --before) {
        const std::size_t i = before - 1;
        if (!fits(during_[i], added[i], bytes)) break;
        if (fits(live_before_[i], added[i], bytes + op.transient_bytes)) at = i;
        if (started_[i] <= due[n]) break;
      }
      if (at == fetch.at) continue;
      earliest = at;
      starts[at].push_back(actions_[fetch.at].index);
      for (std::size_t i = at; i < fetch.at; ++i) added[i] += bytes;
    }
    return with_starts(starts);
  }

 private:
  struct Fetch {
    std::size_t at;        ///< the action that runs it
    std::size_t earliest;  ///< the first action before which it can start
  };

  void play(bool keeps_boundary) {
    Ledger ledger(program_);
    LaneClocks clocks(program_);
    std::vector<std::size_t> ready(program_.values().size(), 0);  // of forms: may be fetched from
    std::vector<std::size_t> gone(program_.values().size(), 0);   // of what is restored: last drop
    std::size_t boundary = 0;
    for (std::size_t i = 0; i < actions_.size(); ++i) {
      const Action& action = actions_[i];
      live_before_.push_back(ledger.live_bytes());
      during_.push_back(ledger.bytes_during(action));
      started_.push_back(clocks.now(Lane::compute));
      if (action.kind == ActionKind::drop) gone[action.index] = i + 1;
      if (action.kind == ActionKind::run || action.kind == ActionKind::await) {
        const Operation& op = program_.operations()[action.index];
        if (keeps_boundary && action.index == program_.loss()) boundary = i + 1;
        // One that cannot run again keeps its place among those that cannot.
        const bool is_fetch =
            op.kind == OperationKind::fetch && op.repeatable && !action.restores_original;
        if (is_fetch && action.kind == ActionKind::run) {
          fetches_.push_back(
              {.at = i,
               .earliest = std::max({ready[op.reads.front()], gone[op.writes.front()], boundary})});
          ready[op.reads.front()] = i + 1;  // one copy of a form at a time
          ledger.apply(action);
          continue;  // its time is what is to be hidden
        }
        if (action.restores_original) ready[op.reads.front()] = i + 1;
        for (const value_id written : made_by(program_, action)) ready[written] = i + 1;
      }
      ledger.apply(action);
      clocks.apply(action);
    }
  }

  /// When each fetch has to start at the latest, so that it and those after it are in time.
  [[nodiscard]] std::vector<double> due_times(double lead) const {
    std::vector<double> due(fetches_.size(), 0);
    double next = std::numeric_limits<double>::infinity();
    for (std::size_t n = fetches_.size(); n-- > 0;) {
      const double cost = program_.operations()[actions_[fetches_[n].at].index].cost;
      next = std::min(next, started_[fetches_[n].at]) - (cost > 0 ? lead * cost : 0);
      due[n] = next;
    }
    return due;
  }

  [[nodiscard]] bool fits(byte_count bytes, byte_count added, byte_count more) const noexcept {
    return bytes <= budget_ && added <= budget_ - bytes && more <= budget_ - bytes - added;
  }

  [[nodiscard]] Schedule with_starts(const std::vector<std::vector<operation_id>>& starts) const {
    std::vector<std::uint8_t> is_started(program_.operations().size(), 0);
    Schedule schedule;
    schedule.actions.reserve(actions_.size() + fetches_.size());
    for (std::size_t i = 0; i < actions_.size(); ++i) {
      for (const operation_id op : starts[i]) {
        schedule.actions.push_back(Action::start(op));
        is_started[op] = 1;
      }
      const Action& action = actions_[i];
      const bool is_awaited = action.kind == ActionKind::run && !action.restores_original &&
                              is_started[action.index] != 0;
      schedule.actions.push_back(is_awaited ? Action::await(action.index) : action);
      if (is_awaited) is_started[action.index] = 0;
    }
    return schedule;
  }

  const Program& program_;
  const std::vector<Action>& actions_;
  byte_count budget_;
  std::vector<Fetch> fetches_;  ///< in the order in which they are due
  std::vector<byte_count> live_before_;
  std::vector<byte_count> during_;
  std::vector<double> started_;  ///< on computing's clock, where no fetch takes any time
};

}  // namespace overlapping

/// Lets copies between the memories go beside computing: a schedule that runs them one after
/// another becomes one that starts and awaits them.
///
/// An offload starts where it ran; what it copies stays until the copy has ended, or until its
/// bytes are needed. A fetch starts as early as bytes allow, or later, where the lane's clock says
/// that this takes less time; it is awaited before the first read. Runs of other operations, and of
/// fetches that are not repeatable, keep their order. Copies times actions at most, linear where
/// few are under way at once.
/// @param schedule valid for the program, see `simulate`
/// @return a schedule that takes no more seconds, as `simulate` counts them, and no more bytes of
///   the device than the budget, or than it took before
/// @throws InvalidSchedule as `simulate`
[[nodiscard]] inline Schedule overlap_transfers(const Program& program, const Schedule& schedule,
                                                const OverlapOptions& options = {}) {
  const Simulation before = simulate(program, schedule);
  if (before.moved_bytes == 0 && before.waited_seconds == 0) return schedule;
  const byte_count budget = std::max(options.budget, before.peak_bytes);
  const Schedule offloaded =
      overlapping::OffloadPass(program, budget, options.keeps_boundary).run(schedule);
  overlapping::FetchPass fetches(program, offloaded, budget, options.keeps_boundary);
  Schedule best = schedule;
  double seconds = before.seconds;
  for (const double lead : {std::numeric_limits<double>::infinity(), 2.0, 1.0}) {
    Schedule candidate = fetches.run(lead);
    const double candidate_seconds = simulate(program, candidate).seconds;
    if (candidate_seconds >= seconds) continue;
    seconds = candidate_seconds;
    best = std::move(candidate);
  }
  return best;
}

}  // namespace reprise::inline v0
