// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: the graph's capture_state and restore_state cannot be called with the signatures

// A generator that only one of two ways restores would give a rerun other numbers.

#include <any>
#include <reprise/planner/store_all.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/store/remat_store.hpp>

#include "support/plain_graph.hpp"

struct Engine final : reprise_test::PlainGraph {
  [[nodiscard]] std::any capture_state(std::size_t) const { return {}; }
#ifdef REPRISE_POSITIVE
  void restore_state(std::size_t, const std::any&) {}
#else
  void restore_state(std::size_t, std::any&) {}
#endif
};

int main() {
  Engine graph;
  reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
  reprise::RematStore store;
  reprise::Checkpointed net{graph, scheduler, store};
  net.begin_step();
  return 0;
}
