// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: deleted

#include <reprise/core/chain.hpp>
#include <reprise/planner/gradient_threshold.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/threshold/median_threshold.hpp>
#include <utility>
#include <vector>

using Tensor = std::vector<float>;

struct Block {
  using tensor_type = Tensor;
  Tensor forward(const Tensor& x, reprise::PassContext&) { return x; }
  Tensor backward(const Tensor& dy, reprise::PassContext&) { return dy; }
};

int main() {
  std::vector<Block> nodes(2);
  auto graph = reprise::chain(nodes);
  reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
  reprise::Checkpointed net{graph, scheduler};
#ifdef REPRISE_POSITIVE
  auto other = std::move(net);
#else
  auto other = net;
#endif
  other.begin_step();
  return 0;
}
