// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "play.hpp"

#include <algorithm>
#include <reprise/program/ledger.hpp>

namespace replay {
namespace {

using reprise::Action;

// A view has no bytes of its own.
std::uint64_t storages_recomputed(const reprise::Program& program, const reprise::Ledger& ledger,
                                  const Action& run) {
  return static_cast<std::uint64_t>(
      std::ranges::count_if(program.operations()[run.index].writes, [&](reprise::value_id value) {
        return !ledger.is_present(value) && !program.values()[value].view_of;
      }));
}

}  // namespace

Outcome play(const Task& task, const reprise::Schedule& schedule) {
  reprise::Ledger ledger(task.program);
  Outcome outcome;
  for (const Action& action : schedule.actions) {
    const reprise::byte_count during = ledger.bytes_during(action);
    if (during > task.budget) {
      outcome.result = Result::oom;
      break;
    }
    if (action.kind == reprise::ActionKind::run && ledger.has_run(action.index)) {
      outcome.recomputed_cost += task.program.operations()[action.index].cost;
      outcome.evictions += storages_recomputed(task.program, ledger, action);
    }
    ledger.apply(action, during);
    outcome.schedule.actions.push_back(action);
    if (outcome.recomputed_cost > task.most_recomputed_cost) {
      outcome.result = Result::thrash;
      break;
    }
  }
  outcome.peak_bytes = ledger.peak_bytes();
  return outcome;
}

}  // namespace replay
