// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a schedule holds at each moment.

#include <algorithm>
#include <reprise/core/units.hpp>
#include <reprise/program/lane.hpp>
#include <reprise/program/lane_clocks.hpp>
#include <reprise/program/ledger.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <vector>

namespace reprise::inline v0 {

/// One run of an operation.
struct TimelineStep {
  double start = 0;             ///< by the clock of its lane, in the program's unit of cost
  double end = 0;               ///< with this one
  byte_count during_bytes = 0;  ///< live while it runs
  byte_count after_bytes = 0;   ///< live when the next one starts
  bool is_rerun = false;        ///< the operation ran before
  Lane lane = Lane::compute;    ///< on which it runs
};

/// The runs of a schedule in order, and what is live then. The schedule may stop anywhere, as that
/// of a run that failed does. Linear in the schedule.
/// @throws InvalidSchedule if an action has no meaning.
[[nodiscard]] inline std::vector<TimelineStep> timeline(const Program& program,
                                                        const Schedule& schedule) {
  Ledger ledger(program);
  std::vector<TimelineStep> steps;
  LaneClocks clocks(program);
  for (const Action& action : schedule.actions) {
    const byte_count during = ledger.bytes_during(action);
    const Lane lane = action.runs() ? lane_of(program.operations()[action.index].kind) : Lane{};
    const bool is_rerun = action.runs() && ledger.has_run(action.index);
    const double start = std::max(clocks.now(lane), clocks.now(Lane::compute));
    ledger.apply(action);
    clocks.apply(action);
    if (action.runs()) {
      steps.push_back({.start = start,
                       .end = clocks.now(lane),
                       .during_bytes = during,
                       .is_rerun = is_rerun,
                       .lane = lane});
    }
    if (!steps.empty()) steps.back().after_bytes = ledger.live_bytes();
  }
  return steps;
}

}  // namespace reprise::inline v0
