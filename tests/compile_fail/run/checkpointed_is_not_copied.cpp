// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: deleted

#include <reprise/core/chain.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/store/remat_store.hpp>
#include <utility>
#include <vector>

#include "support/plain_block.hpp"

using Block = reprise_test::PlainBlock;

int main() {
  std::vector<Block> nodes(2);
  auto graph = reprise::chain(nodes);
  reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
  reprise::RematStore store;
  reprise::Checkpointed net{graph, scheduler, store};
#ifdef REPRISE_POSITIVE
  auto other = std::move(net);
#else
  auto other = net;
#endif
  other.begin_step();
  return 0;
}
