// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: the planner's state and restore cannot be called with the signatures

// Decisions that nobody saves are others when training resumes.

#include <cstdint>
#include <reprise/planner/plan.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <vector>

struct Remembering {
  reprise::Plan operator()(const reprise::PlanRequest&) { return {}; }
#ifdef REPRISE_POSITIVE
  [[nodiscard]] std::vector<std::uint64_t> state() const { return {}; }
#else
  [[nodiscard]] std::vector<std::uint32_t> state() const { return {}; }
#endif
  void restore(const std::vector<std::uint64_t>&) {}
};

int main() {
  const reprise::CheckpointScheduler scheduler{Remembering{}};
  return static_cast<int>(scheduler.is_frozen());
}
