// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <random>
#include <reprise/planner/staged/staged_plan.hpp>

namespace reprise_test {

/// Places an operation at a stage with what it consumes, if everything it reads was made before.
inline void place_one(reprise::staged::StagedPlan& plan, reprise::operation_id op,
                      reprise::staged::stage_id stage) {
  const reprise::staged::StagedProgram& program = plan.program();
  if (plan.contains(op, stage) || !program.step(op).is_repeatable) return;
  for (const reprise::value_id consumed : program.consumes(op)) {
    place_one(plan, program.maker(consumed), stage);
    if (!plan.contains(program.maker(consumed), stage)) return;
  }
  const auto is_made = [&](reprise::value_id read) {
    return plan.run_before(program.maker(read), stage) >= 0;
  };
  if (std::ranges::all_of(program.reads(op), is_made)) plan.add(op, stage);
}

/// Places some operations at random stages; defers some that nothing needs at once.
inline void place_random(reprise::staged::StagedPlan& plan, std::mt19937_64& random,
                         std::size_t count) {
  const reprise::staged::StagedProgram& program = plan.program();
  for (std::size_t i = 0; i < count; ++i) {
    const auto op = static_cast<reprise::operation_id>(random() % program.operation_count());
    const auto later = program.stage_count() - op - 1;
    place_one(plan, op, static_cast<reprise::staged::stage_id>(op + 1 + random() % later));
    const auto other = static_cast<reprise::operation_id>(random() % program.operation_count());
    if (random() % 3 == 0 && program.can_be_deferred(other) && plan.runs(other).size() > 1 &&
        plan.is_useless(other, 0)) {
      plan.remove(other, plan.runs(other)[0]);
    }
  }
}

/// The most bytes of any stage.
inline double peak_of(const reprise::staged::StagedPlan& plan) {
  return plan.profile()[plan.profile().highest()] + plan.limits().budget;
}

}  // namespace reprise_test
