// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: Planner

#include <reprise/scheduler/checkpoint_scheduler.hpp>

struct Silent {
#ifdef REPRISE_POSITIVE
  reprise::Plan operator()(const reprise::PlanRequest&) const { return {}; }
#endif
};

int main() {
  reprise::CheckpointScheduler<Silent> scheduler{Silent{}};
  return static_cast<int>(scheduler.plans_made());
}
