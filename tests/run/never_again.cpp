// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Nodes that say that they must never run again.

#include <doctest/doctest.h>

#include <random>
#include <reprise/reprise.hpp>
#include <utility>
#include <vector>

#include "support/keep_random.hpp"
#include "support/seed.hpp"

namespace {

using reprise::PassContext;
using Tensor = std::vector<float>;

/// y = x², which saves x; counts its forwards.
template <bool repeats>
struct Square {
  using tensor_type = Tensor;
  using saved_type = Tensor;
  static constexpr bool can_recompute = repeats;

  int* forwards;

  Tensor forward(const Tensor& x, Tensor& saved, PassContext& pass) {
    CHECK((repeats || !pass.is_recompute()));
    CHECK((repeats || !pass.will_recompute()));
    if (!pass.is_profiling()) ++*forwards;
    saved = x;
    Tensor y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] * x[i];
    return y;
  }
  Tensor backward(Tensor& saved, const Tensor& dy, PassContext&) {
    Tensor dx(dy.size());
    for (std::size_t i = 0; i < dy.size(); ++i) dx[i] = 2.0F * saved[i] * dy[i];
    return dx;
  }
  [[nodiscard]] reprise::NodeCosts costs(const Tensor& x) const {
    return {.forward_flops = static_cast<double>(x.size())};
  }
};

/// Takes over the memory of its input.
struct Negate {
  using tensor_type = Tensor;
  static constexpr reprise::Consumes consumes{.input_index = 0};
  Tensor forward(Tensor&& x, PassContext&) {
    for (float& v : x) v = -v;
    return std::move(x);
  }
  Tensor backward(const Tensor& dy, PassContext&) {
    Tensor dx(dy);
    for (float& v : dx) v = -v;
    return dx;
  }
  [[nodiscard]] reprise::NodeCosts costs(const Tensor& x) const {
    return {.forward_flops = static_cast<double>(x.size())};
  }
};

/// A row of such nodes, some of which must never run again, some followed by one in place.
struct Model {
  int once = 0;
  int often = 0;
  int nodes_once = 0;
  reprise::Graph<Tensor> graph;

  explicit Model(std::mt19937_64& random, std::size_t count) {
    reprise::Source at = graph.input();
    for (std::size_t i = 0; i < count; ++i) {
      if (random() % 3 == 0) graph.begin_layer("block");
      if (random() % 3 == 0) {
        at = graph.add(Square<false>{.forwards = &once}, at);
        ++nodes_once;
      } else {
        at = graph.add(Square<true>{.forwards = &often}, at);
      }
      if (random() % 4 == 0 && i + 1 < count) at = graph.add(Negate{}, at);
    }
    graph.output(at);
  }
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  template <class Net>
  [[nodiscard]] Tensor step(Net& net) {
    once = 0;
    const Tensor x{0.5F, 0.75F, 1.0F, 1.25F};
    net.begin_step();
    auto pass = net.forward(x);
    Tensor dx = std::move(net.backward(std::move(pass), Tensor(4, 1.0F))[0]);
    CHECK(once == nodes_once);
    net.end_step();
    return dx;
  }
};

/// Statistics that grow with the layer.
struct Rising {
  std::vector<double> values;
  [[nodiscard]] std::span<const double> statistics() const { return values; }
  void end_step() {}
  void abandon_step() {}
};

}  // namespace

TEST_CASE("a node that must never run again does not, under any planner, and no bit changes") {
  REPRISE_SEEDED(random);
  int recomputed = 0;
  for (int round = 0; round < 40; ++round) {
    CAPTURE(round);
    Model model(random, 3 + random() % 8);
    reprise::CheckpointScheduler keeps{reprise::StoreAll{}};
    reprise::RematStore all_store;
    reprise::Checkpointed all{model.graph, keeps, all_store};
    const Tensor expected = model.step(all);
    const reprise::byte_count peak = all.report().peak_bytes;
    Rising rising{std::vector<double>(reprise::layer_count(model.graph))};
    for (std::size_t i = 0; i < rising.values.size(); ++i)
      rising.values[i] = static_cast<double>(i);
    const auto under = [&](auto planner) {
      for (const unsigned percent : {100U, 80U, 60U}) {
        CAPTURE(percent);
        reprise::CheckpointScheduler scheduler{planner};
        reprise::RematStore store{{.budget = peak * percent / 100}};
        reprise::Checkpointed net{model.graph, rising, scheduler, store};
        try {
          const Tensor got = model.step(net);
          CHECK(got == expected);
          recomputed += net.report().recomputed_cost > 0 ? 1 : 0;
        } catch (const reprise::BudgetInfeasible&) {
          CHECK(net.live_bytes() == 0);
        }
      }
    };
    std::mt19937 choice(static_cast<std::uint32_t>(round));
    under(reprise::RecomputeAll{});
    under(reprise::EveryNth{.n = 2});
    under(reprise::SquareRoot{});
    under(reprise::GradientThreshold{reprise::MedianThreshold{.alpha = 1.0}});
    under(reprise_test::KeepRandom{&choice});
    under(reprise::MinCut{});
    under(reprise::LocalSearch{{.tries = 50}});
    under(reprise::Online<reprise::DtrEqClass>{});
    for (const unsigned percent : {100U, 80U, 60U}) {
      reprise::RematStore online_store{reprise::DtrEqClass{}, {.budget = peak * percent / 100}};
      reprise::Checkpointed online{model.graph, online_store};
      try {
        const Tensor got = model.step(online);
        CHECK(got == expected);
      } catch (const reprise::BudgetExceeded&) {
        CHECK(online.live_bytes() == 0);
      }
    }
  }
  CHECK(recomputed > 100);
}

TEST_CASE("a layer that must never run again cannot be asked to, and is no link of a chain") {
  int forwards = 0;
  reprise::Graph<Tensor> graph;
  const reprise::Source x = graph.input();
  const reprise::Source y = graph.add(Square<true>{.forwards = &forwards}, x);
  graph.output(graph.add(Square<false>{.forwards = &forwards}, y));
  const Tensor input(2, 1.0F);
  reprise::CheckpointScheduler keeps{reprise::StoreAll{}};
  keeps.override_layer(1, reprise::LayerOverride::must_recompute);
  reprise::RematStore store;
  reprise::Checkpointed net{graph, keeps, store};
  net.begin_step();
  CHECK_THROWS_WITH_AS(
      static_cast<void>(net.forward(input)),
      "layer 1 must be recomputed, and the forward of node 1 in it cannot run again",
      reprise::InvalidArgument);
  CHECK(net.live_bytes() == 0);
  reprise::CheckpointScheduler chain{reprise::OptimalChain{}};
  reprise::RematStore of_chain_store;
  reprise::Checkpointed of_chain{graph, chain, of_chain_store};
  of_chain.begin_step();
  CHECK_THROWS_WITH_AS(
      static_cast<void>(of_chain.forward(input)),
      "the program is no chain of layers: forward of node 1 of layer 1 cannot run again",
      reprise::NotAChain);
}
