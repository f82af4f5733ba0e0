// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <concepts>
#include <reprise/core/chain.hpp>
#include <reprise/core/error.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/eviction/lru.hpp>
#include <reprise/planner/budget_infeasible.hpp>
#include <reprise/planner/online.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/store/remat_store.hpp>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/plain_block.hpp"

namespace {

using reprise::RematStore;
using Block = reprise_test::PlainBlock;
using Graph = reprise::Chain<Block>;
using Tensor = reprise_test::PlainTensor;
using KeepsAll = reprise::CheckpointScheduler<reprise::StoreAll>;

template <class Policy>
concept PolicyOfAStore = requires {
  typename RematStore<Policy>;
};
static_assert(PolicyOfAStore<reprise::Scheduled>);
static_assert(PolicyOfAStore<reprise::Lru>);
static_assert(!PolicyOfAStore<int>);

template <class Scheduler, class Store>
concept TrainsOn = requires {
  typename reprise::Checkpointed<Graph, reprise::NoTracker, Scheduler, Store>;
};
static_assert(TrainsOn<KeepsAll, RematStore<>>);
static_assert(TrainsOn<reprise::NoScheduler, RematStore<reprise::Lru>>);
static_assert(!TrainsOn<reprise::NoScheduler, RematStore<>>, "nobody would make its plans");
static_assert(!TrainsOn<KeepsAll, RematStore<reprise::Lru>>, "nobody would ask for its plans");

constexpr std::size_t width = 16;
constexpr std::size_t bytes = width * sizeof(float);

template <class Net>
auto forward_of(Net& net, const Tensor& x) {
  net.begin_step();
  return net.forward(x);
}

}  // namespace

TEST_CASE("a store is made from a budget, or from a policy and a budget") {
  const RematStore plain;
  static_assert(std::same_as<decltype(plain), const RematStore<reprise::Scheduled>>);
  CHECK(plain.budget_bytes() == reprise::unlimited_bytes);
  const RematStore bounded{{.budget = 100}};
  static_assert(!bounded.evicts);
  CHECK(bounded.budget_bytes() == 100);
  const RematStore evicting{reprise::Lru{}, {.budget = 200}};
  static_assert(std::same_as<decltype(evicting), const RematStore<reprise::Lru>>);
  static_assert(evicting.evicts);
  CHECK(evicting.budget_bytes() == 200);
  CHECK(evicting.live_bytes() == 0);
  static_assert(!std::is_copy_constructible_v<RematStore<>>);
  static_assert(!std::is_move_constructible_v<RematStore<>>, "those that run on it borrow it");
}

TEST_CASE("objects that run on one store share its budget") {
  std::vector<Block> nodes(4);
  auto graph = reprise::chain(nodes);
  reprise::CheckpointScheduler keeps{reprise::StoreAll{}};
  const Tensor x(width, 1.0F);
  reprise::byte_count boundary = 0;
  reprise::byte_count peak = 0;
  {
    RematStore store;
    reprise::Checkpointed net{graph, keeps, store};
    auto pass = forward_of(net, x);
    boundary = store.live_bytes();
    CHECK(net.live_bytes() == boundary);
    net.backward(std::move(pass), Tensor(width, 1.0F));
    CHECK(store.live_bytes() == 0);
    peak = store.peak_bytes();
    CHECK(net.report().peak_bytes == peak);
  }
  REQUIRE(boundary >= bytes);

  SUBCASE("their passes count together") {
    RematStore store{{.budget = peak + boundary}};
    reprise::Checkpointed first{graph, keeps, store};
    reprise::Checkpointed second{graph, keeps, store};
    auto of_first = forward_of(first, x);
    auto of_second = forward_of(second, x);
    CHECK(store.live_bytes() == 2 * boundary);
    second.backward(std::move(of_second), Tensor(width, 1.0F));
    first.backward(std::move(of_first), Tensor(width, 1.0F));
    CHECK(store.live_bytes() == 0);
    CHECK(store.peak_bytes() == peak + boundary);
  }
  SUBCASE("what others hold is no room for a plan, which says so before anything runs") {
    RematStore store{{.budget = peak}};
    reprise::Checkpointed first{graph, keeps, store};
    reprise::Checkpointed second{graph, keeps, store};
    {
      const auto of_first = forward_of(first, x);
      second.begin_step();
      CHECK_THROWS_AS(static_cast<void>(second.forward(x)), reprise::BudgetExceeded);
      CHECK(store.live_bytes() == boundary);
    }
    CHECK(store.live_bytes() == 0);
    CHECK_NOTHROW(static_cast<void>(second.forward(x)));
  }
  SUBCASE("an account of the engine's is shared through the store's") {
    RematStore store{{.budget = peak}};
    reprise::Checkpointed net{graph, keeps, store};
    store.account()->expect(0, 1);
    store.account()->settle(0, 1);
    net.begin_step();
    CHECK_THROWS_AS(
        [&] {
          auto pass = net.forward(x);
          net.backward(std::move(pass), Tensor(width, 1.0F));
        }(),
        reprise::BudgetExceeded);
    CHECK(store.live_bytes() == 1);
  }
}

TEST_CASE("an object that moves takes its passes along, the store stays") {
  std::vector<Block> nodes(3);
  auto graph = reprise::chain(nodes);
  RematStore store{reprise::DtrEqClass{}};
  reprise::Checkpointed net{graph, store};
  const Tensor x(width, 1.0F);
  auto pass = forward_of(net, x);
  reprise::Checkpointed moved = std::move(net);
  CHECK(moved.backward(std::move(pass), Tensor(width, 2.0F))[0] == Tensor(width, 2.0F));
  CHECK(store.live_bytes() == 0);
}

TEST_CASE("one scheduler plans for each of the nets that share it, within the budget of each") {
  const Tensor x(width, 1.0F);
  const Tensor dy(width, 3.0F);
  const auto train = [&](auto& net) {
    auto pass = forward_of(net, x);
    const auto dx = net.backward(std::move(pass), dy);
    net.end_step();
    REQUIRE(dx.size() == 1);
    CHECK(dx[0] == dy);
    return net.report().predicted_peak_bytes;
  };
  for (std::size_t n = 1; n <= 6; ++n) {
    for (std::size_t m = 1; m <= 6; ++m) {
      CAPTURE(n);
      CAPTURE(m);
      std::vector<Block> first(n);
      std::vector<Block> second(m);
      auto graph = reprise::chain(first);
      auto other = reprise::chain(second);
      reprise::CheckpointScheduler scheduler{reprise::RecomputeAll{}};
      RematStore store;
      reprise::Checkpointed net{graph, scheduler, store};
      reprise::Checkpointed of_other{other, scheduler, store};
      const reprise::byte_count peak = train(net);
      train(of_other);
      CHECK(train(net) == peak);
    }
  }
}

TEST_CASE("a plan that was made without a budget is not played within one") {
  const Tensor x(width, 1.0F);
  std::vector<Block> nodes(8);
  auto graph = reprise::chain(nodes);
  reprise::CheckpointScheduler scheduler{reprise::Online<reprise::Lru>{}};
  RematStore unlimited;
  reprise::Checkpointed measured{graph, scheduler, unlimited};
  const auto most = [&] {
    const auto pass = forward_of(measured, x);
    return measured.report().predicted_peak_bytes;
  }();
  RematStore tight{{.budget = most - 1}};
  reprise::Checkpointed net{graph, scheduler, tight};
  try {
    auto pass = forward_of(net, x);
    CHECK(net.report().predicted_peak_bytes < most);
    net.backward(std::move(pass), Tensor(width, 1.0F));
    CHECK(tight.peak_bytes() < most);
  } catch (const reprise::BudgetInfeasible& refused) {
    CHECK(refused.budget_bytes() == most - 1);
  }
}
