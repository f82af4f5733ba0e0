// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: a store that evicts takes no plans

#include <reprise/core/chain.hpp>
#include <reprise/eviction/lru.hpp>
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
  reprise::RematStore store{reprise::Lru{}};
  reprise::RematStore plays_plans;
#ifdef REPRISE_POSITIVE
  reprise::Checkpointed net{graph, scheduler, plays_plans};
#else
  reprise::Checkpointed net{graph, scheduler, store};
#endif
  net.begin_step();
  return 0;
}
