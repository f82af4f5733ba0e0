// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: Checkpointed is made from .graph, tracker, scheduler, store.

#include <reprise/core/chain.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/store/remat_store.hpp>
#include <vector>

#include "support/plain_block.hpp"

int main() {
  std::vector<reprise_test::PlainBlock> nodes(2);
  auto graph = reprise::chain(nodes);
  reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
  reprise::RematStore store{{.budget = 100}};
#ifdef REPRISE_POSITIVE
  reprise::Checkpointed net{graph, scheduler, store};
#else
  reprise::Checkpointed net{graph, store, scheduler};
#endif
  net.begin_step();
  return 0;
}
