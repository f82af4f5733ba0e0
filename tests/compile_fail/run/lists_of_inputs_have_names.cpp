// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: InputsAreBorrowedUntilBackwardAndNeedANameOfTheirOwn

#include <reprise/core/chain.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/store/remat_store.hpp>
#include <utility>
#include <vector>

#include "support/plain_block.hpp"

using Tensor = reprise_test::PlainTensor;
using Block = reprise_test::PlainBlock;

int main() {
  std::vector<Block> nodes(2);
  auto graph = reprise::chain(nodes);
  reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
  reprise::RematStore store;
  reprise::Checkpointed net{graph, scheduler, store};
  net.begin_step();
#ifdef REPRISE_POSITIVE
  const std::vector<Tensor> batch(1, Tensor(2));
  auto pass = net.forward(batch);
#else
  auto pass = net.forward(std::vector<Tensor>(1, Tensor(2)));
#endif
  net.backward(std::move(pass), Tensor(2));
  return 0;
}
