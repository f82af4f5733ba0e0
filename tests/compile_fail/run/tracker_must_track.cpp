// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// expect: StatisticsTracker|abandon_step

#include <reprise/core/chain.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/store/remat_store.hpp>
#include <span>
#include <vector>

struct Identity {
  using tensor_type = std::vector<float>;
  tensor_type forward(const tensor_type& x, reprise::PassContext&) { return x; }
  tensor_type backward(const tensor_type& dy, reprise::PassContext&) { return dy; }
};

struct Tracker {
  [[nodiscard]] std::span<const double> statistics() const { return {}; }
  void end_step() {}
#ifdef REPRISE_POSITIVE
  void abandon_step() {}
#endif
};

int main() {
  std::vector<Identity> nodes(1);
  auto graph = reprise::chain(nodes);
  Tracker tracker;
  reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
  using Net = reprise::Checkpointed<decltype(graph), Tracker, decltype(scheduler)>;
  reprise::RematStore store;
  const Net net{graph, tracker, scheduler, store};
  return static_cast<int>(net.live_bytes());
}
