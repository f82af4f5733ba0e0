// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What changes of a plan by stages have in common.

#include <algorithm>
#include <cstddef>
#include <reprise/planner/staged/staged_plan.hpp>
#include <utility>
#include <vector>

namespace reprise::inline v0::staged {

/// Takes runs away that nothing needs any more.
class UselessRuns {
 public:
  /// Looks at the last run at or before a stage of a value's maker, later.
  void suspect(const StagedPlan& plan, value_id value, stage_id stage) {
    const operation_id maker = plan.program().maker(value);
    const std::ptrdiff_t run = plan.run_before(maker, stage);
    if (run >= 0) suspects_.push_back({maker, plan.runs(maker)[static_cast<std::size_t>(run)]});
  }
  /// Looks at one run, later.
  void suspect(Placement run) { suspects_.push_back(run); }

  /// Forgets what was suspected before it was suspected again: looked at last, it would have gone
  /// or be as useful as before. Linear in operations and suspects, among which a few may stay
  /// repeated.
  void forget_repeated(const StagedPlan& plan) {
    std::vector<stage_id> last(plan.program().operation_count(), StagedPlan::never);
    auto kept = suspects_.end();
    for (auto suspect = suspects_.end(); suspect != suspects_.begin();) {
      --suspect;
      if (std::exchange(last[suspect->op], suspect->stage) != suspect->stage) *--kept = *suspect;
    }
    suspects_.erase(suspects_.begin(), kept);
  }

  /// Looks at all that are suspected, and at what the runs that went had read. Linear in those.
  void remove_from(StagedPlan& plan) {
    while (!suspects_.empty()) {
      const Placement p = suspects_.back();
      suspects_.pop_back();
      if (!can_go(plan, p)) continue;
      remove(plan, p);
    }
  }

  /// Takes one run away whatever needs it; what it read is suspected.
  void remove(StagedPlan& plan, Placement p) {
    plan.watch().spend(2 * plan.program().reads(p.op).size());
    plan.remove(p.op, p.stage);
    for (const value_id read : plan.program().reads(p.op)) suspect(plan, read, p.stage);
  }

 private:
  [[nodiscard]] static bool can_go(const StagedPlan& plan, Placement p) {
    if (plan.runs(p.op).size() < 2 || !plan.contains(p.op, p.stage)) return false;
    if (p.stage == p.op && !plan.program().can_be_deferred(p.op)) return false;
    return plan.is_useless(p.op, static_cast<std::size_t>(plan.run_before(p.op, p.stage)));
  }

  std::vector<Placement> suspects_;
};

}  // namespace reprise::inline v0::staged
