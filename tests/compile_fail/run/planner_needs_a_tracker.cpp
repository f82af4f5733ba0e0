// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: the scheduler's planner reads gradient statistics: hand over a tracker

#include <reprise/core/chain.hpp>
#include <reprise/planner/gradient_threshold.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/store/remat_store.hpp>
#include <reprise/threshold/median_threshold.hpp>
#include <vector>

#include "support/plain_block.hpp"

using Block = reprise_test::PlainBlock;

int main() {
  std::vector<Block> nodes(2);
  auto graph = reprise::chain(nodes);
#ifdef REPRISE_POSITIVE
  reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
#else
  reprise::GradientThreshold rule{reprise::MedianThreshold{.alpha = 1.0}};
  reprise::CheckpointScheduler scheduler{rule};
#endif
  reprise::RematStore store;
  reprise::Checkpointed net{graph, scheduler, store};
  net.begin_step();
  return 0;
}
