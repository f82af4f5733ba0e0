// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// long: REPRISE_CASES=1000000
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <random>
#include <reprise/core/chain.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/graph.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/planner/gradient_threshold.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/store/remat_store.hpp>
#include <reprise/threshold/median_threshold.hpp>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "support/cases.hpp"
#include "support/keep_random.hpp"
#include "support/ledger_check.hpp"
#include "support/plain_block.hpp"
#include "support/random_graph.hpp"
#include "support/random_step.hpp"

namespace {

using reprise_test::KeepRandom;
using reprise_test::NoStatistics;
using reprise_test::RandomGraph;
using reprise_test::run_backward;
using reprise_test::run_step_with;
using reprise_test::StepResult;
using reprise_test::Tensor;

}  // namespace

TEST_CASE("random plans give store-all's gradients to the bit, and the ledger is the allocator") {
  const std::size_t cases = reprise_test::cases(2000);
  std::array<std::size_t, reprise_test::family_names.size()> counts{};
  for (std::size_t seed = 0; seed < cases; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(static_cast<std::uint32_t>(seed));
    RandomGraph random_graph(random);
    for (std::size_t i = 0; i < counts.size(); ++i) counts[i] += random_graph.families[i] ? 1 : 0;
    auto& memory = random_graph.world->memory;
    const StepResult expected = run_step_with(random_graph, reprise::StoreAll{}, {.seed = seed});
    CHECK(memory.live == 0);

    reprise_test::LedgerCheck check{memory, random_graph.width * sizeof(double),
                                    random_graph.graph.size()};
    check.counts_missing_gradients = random_graph.is(reprise_test::Family::none);
    reprise_test::StepOptions options{.seed = seed, .verify_replay = seed % 3 == 0};
    options.observer = [&check](const reprise::ActionEvent& event) { check(event); };
    const StepResult got = run_step_with(random_graph, KeepRandom{&random}, options);
    CHECK(got == expected);
    CHECK_MESSAGE(check.fault.empty(), check.fault);
    CHECK(check.losses == 1);
    CHECK(memory.live == 0);
  }
  for (std::size_t i = 0; i < counts.size(); ++i) {
    MESSAGE(counts[i], " of ", cases, " graphs: ", reprise_test::family_names[i]);
    CHECK(counts[i] >= cases / 10);
  }
}

TEST_CASE("an infeasible budget is refused with a budget that works and a bound for all") {
  for (std::uint32_t seed = 0; seed < 100; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(seed);
    RandomGraph random_graph(random);
    const auto threshold = [] {
      return reprise::GradientThreshold{reprise::MedianThreshold{.alpha = 1.0}};
    };
    std::uint64_t smallest = 0;
    try {
      static_cast<void>(run_step_with(random_graph, threshold(), {.budget = 1, .seed = seed}));
      FAIL("a budget of one byte was accepted");
    } catch (const reprise::BudgetInfeasible& refused) {
      smallest = refused.smallest_budget();
      CHECK(refused.lower_bound_bytes() <= smallest);
      CHECK(refused.budget_bytes() == 1);
    }
    const StepResult expected = run_step_with(random_graph, reprise::StoreAll{}, {.seed = seed});
    CHECK(run_step_with(random_graph, threshold(), {.budget = smallest, .seed = seed}) == expected);
    CHECK_THROWS_AS(static_cast<void>(run_step_with(random_graph, threshold(),
                                                    {.budget = smallest - 1, .seed = seed})),
                    reprise::BudgetInfeasible);
  }
}

TEST_CASE("several passes in flight share one budget and give the gradients of one after another") {
  std::mt19937 random(7);
  RandomGraph random_graph(random);
  const Tensor input = random_graph.tensor(0.3);
  const auto run = [&](std::size_t in_flight) {
    NoStatistics tracker;
    reprise::CheckpointScheduler scheduler{reprise::RecomputeAll{}};
    reprise::RematStore store;
    reprise::Checkpointed net{
        random_graph.graph, tracker, scheduler, store, {.passes_in_flight = in_flight}};
    random_graph.zero_gradients();
    net.begin_step();
    if (in_flight == 2) {
      auto first = net.forward(input);
      auto second = net.forward(input);
      CHECK_THROWS_AS(static_cast<void>(net.forward(input)), reprise::InvalidState);
      run_backward(random_graph, net, std::move(first));
      run_backward(random_graph, net, std::move(second));
    } else {
      for (int i = 0; i < 2; ++i) run_backward(random_graph, net, net.forward(input));
    }
    const auto report = net.report();
    CHECK(report.peak_bytes <= report.predicted_peak_bytes);
    net.end_step();
    return random_graph.gradients();
  };
  CHECK(run(1) == run(2));
}

TEST_CASE("calls out of order are refused") {
  std::mt19937 random(3);
  RandomGraph random_graph(random);
  NoStatistics tracker;
  reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
  reprise::RematStore store;
  reprise::Checkpointed net{random_graph.graph, tracker, scheduler, store};
  const Tensor input = random_graph.tensor(0.3);
  CHECK_THROWS_AS(static_cast<void>(net.forward(input)), reprise::InvalidState);
  CHECK_THROWS_AS(net.end_step(), reprise::InvalidState);
  net.begin_step();
  CHECK_THROWS_AS(static_cast<void>(net.forward()), reprise::InvalidArgument);
  {
    const auto pass = net.forward(input);
    CHECK_THROWS_AS(net.end_step(), reprise::InvalidState);
    CHECK_THROWS_AS(net.begin_step(), reprise::InvalidState);
    CHECK(net.live_bytes() > 0);
  }
  CHECK(net.live_bytes() == 0);
  net.end_step();
}

TEST_CASE("an object that was moved from refuses every call, and the other goes on") {
  const std::vector<float> input(1, 1.0F);
  std::vector<reprise_test::PlainBlock> blocks(2);
  auto graph = reprise::chain(blocks);
  reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
  reprise::RematStore store;
  reprise::Checkpointed net{graph, scheduler, store};
  net.begin_step();
  auto pass = net.forward(input);
  reprise::Checkpointed other = std::move(net);
  CHECK_THROWS_AS(net.begin_step(), reprise::InvalidState);
  CHECK_THROWS_AS(net.end_step(), reprise::InvalidState);
  CHECK_THROWS_AS(static_cast<void>(net.report()), reprise::InvalidState);
  CHECK_THROWS_AS(static_cast<void>(net.forget_shapes(input)), reprise::InvalidState);
  std::stringstream state;
  CHECK_THROWS_AS(net.save(state), reprise::InvalidState);
  CHECK_THROWS_AS(net.load(state), reprise::InvalidState);
  CHECK_THROWS_AS(static_cast<void>(net.infer(input)), reprise::InvalidState);
  CHECK_THROWS_AS(static_cast<void>(net.forward(input)), reprise::InvalidState);
  CHECK_THROWS_AS(net.backward(std::move(pass), std::vector<float>(1, 2.0F)),
                  reprise::InvalidState);
  CHECK(other.backward(std::move(pass), std::vector<float>(1, 2.0F))[0][0] == 2.0F);
  other.end_step();
}

TEST_CASE("a graph that grew or moved since is refused, with a pass in flight, too") {
  const std::vector<float> input(1, 1.0F);
  const auto refuses = [&](auto& net, auto& graph, reprise::Source at) {
    net.begin_step();
    auto pass = net.forward(input);
    graph.add(reprise_test::PlainBlock{}, at);
    CHECK_THROWS_WITH_AS(net.backward(std::move(pass), std::vector<float>(1, 2.0F)),
                         "backward over a graph that has changed: it had 1 nodes, 1 inputs and 1 "
                         "outputs and has 2 nodes, 1 inputs and 1 outputs now; a graph neither "
                         "moves nor grows once an object trains it",
                         reprise::InvalidState);
    CHECK_THROWS_AS(static_cast<void>(net.infer(input)), reprise::InvalidState);
    const auto elsewhere = std::move(graph);
    CHECK_THROWS_AS(static_cast<void>(net.forward(input)), reprise::InvalidState);
  };
  const auto with_graph = [&](auto&& make) {
    reprise::Graph<std::vector<float>> graph;
    const reprise::Source y = graph.add(reprise_test::PlainBlock{}, graph.input());
    graph.output(y);
    make(graph, y);
  };
  with_graph([&](auto& graph, reprise::Source y) {
    reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
    reprise::RematStore store;
    reprise::Checkpointed net{graph, scheduler, store};
    refuses(net, graph, y);
  });
  with_graph([&](auto& graph, reprise::Source y) {
    reprise::RematStore store{reprise::DtrEqClass{}};
    reprise::Checkpointed net{graph, store};
    refuses(net, graph, y);
  });
}

namespace {

/// x + noise that another call draws anew: not repeatable, though it looks like a node.
struct Unrepeatable {
  using tensor_type = std::vector<float>;
  static constexpr auto backward_reads = reprise::Reads::input;
  float* noise;
  std::vector<float>* gradient;

  std::vector<float> forward(const std::vector<float>& x, reprise::PassContext&) {
    *noise += 1.0F;
    std::vector<float> y = x;
    for (float& v : y) v += *noise;
    return y;
  }
  std::vector<float> backward(const std::vector<float>& x, const std::vector<float>& dy,
                              reprise::PassContext&) {
    for (std::size_t i = 0; i < x.size(); ++i) (*gradient)[i] += x[i] * dy[i];
    return dy.size() == x.size() ? std::vector<float>(dy) : x;
  }
  template <class F>
  void for_each_gradient(F&& f) {
    f(std::span<float>(*gradient));
  }
};

}  // namespace

TEST_CASE("a whole step is compared with one that keeps everything") {
  SUBCASE("a repeatable graph passes") {
    for (std::uint32_t seed = 0; seed < 50; ++seed) {
      CAPTURE(seed);
      std::mt19937 random(seed);
      RandomGraph random_graph(random);
      NoStatistics tracker;
      reprise::CheckpointScheduler scheduler{reprise::RecomputeAll{}};
      reprise::RematStore store;
      reprise::Checkpointed net{random_graph.graph, tracker, scheduler, store, {.seed = seed}};
      const Tensor input = random_graph.tensor(0.3);
      net.begin_step();
      CHECK_NOTHROW(net.verify_step(
          [&](std::span<const Tensor* const> outputs) {
            std::vector<Tensor> gradients;
            for (std::size_t i = 0; i < outputs.size(); ++i) {
              gradients.push_back(random_graph.tensor(0.5));
            }
            return gradients;
          },
          [&] { random_graph.zero_gradients(); }, input));
      CHECK(net.live_bytes() == 0);
      CHECK(random_graph.world->memory.live == random_graph.width * sizeof(double));
    }
  }
  SUBCASE("a node that draws anew is named") {
    float noise = 0;
    std::vector<std::vector<float>> gradients(2, std::vector<float>(3, 0.0F));
    std::vector<Unrepeatable> nodes;
    for (auto& gradient : gradients) nodes.push_back({.noise = &noise, .gradient = &gradient});
    auto graph = reprise::chain(nodes);
    NoStatistics tracker;
    reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
    reprise::RematStore store;
    reprise::Checkpointed net{graph, tracker, scheduler, store};
    net.begin_step();
    const std::vector<float> input(3, 1.0F);
    try {
      net.verify_step(
          [](std::span<const std::vector<float>* const>) {
            return std::vector<std::vector<float>>(1, std::vector<float>(3, 1.0F));
          },
          [&] {
            for (auto& gradient : gradients) gradient.assign(3, 0.0F);
          },
          input);
      FAIL("the difference was not seen");
    } catch (const reprise::ReplayMismatch& mismatch) {
      CHECK(std::string(mismatch.what()) ==
            "layer 1: gradient 0 of node 1 differs from the one with everything kept");
    }
  }
}

namespace {

/// y = 2 x for vectors of any size; counts how often it is profiled, and saves more in a rerun.
struct Twice {
  using tensor_type = std::vector<float>;
  using saved_type = std::vector<float>;
  int* profiles;

  std::vector<float> forward(const std::vector<float>& x, std::vector<float>& saved,
                             reprise::PassContext& pass) {
    if (pass.is_profiling()) ++*profiles;
    saved.resize(pass.is_recompute() ? 9 : 1);
    std::vector<float> y = x;
    for (float& v : y) v *= 2.0F;
    return y;
  }
  std::vector<float> backward(std::vector<float>& /*saved*/, const std::vector<float>& dy,
                              reprise::PassContext&) {
    std::vector<float> dx = dy;
    for (float& v : dx) v *= 2.0F;
    return dx;
  }
};

struct KeepNothing {
  reprise::Plan operator()(const reprise::PlanRequest& request) const {
    const reprise::SavedSet none(request.program.values().size(), 0);
    return {.schedule = reprise::schedule_from_saved(request.program, none)};
  }
};

}  // namespace

TEST_CASE("a mismatch in backward makes only the shapes of its own pass be profiled anew") {
  int profiles = 0;
  std::vector<Twice> nodes{{.profiles = &profiles}};
  auto graph = reprise::chain(nodes);
  NoStatistics tracker;
  reprise::CheckpointScheduler scheduler{KeepNothing{}};
  reprise::RematStore store;
  reprise::Checkpointed net{graph, tracker, scheduler, store, {.passes_in_flight = 2}};
  const std::vector<float> small(3, 1.0F);
  const std::vector<float> large(5, 1.0F);
  net.begin_step();
  {
    auto first = net.forward(small);
    const auto second = net.forward(large);
    CHECK(profiles == 2);
    CHECK_THROWS_AS(net.backward(std::move(first), std::vector<float>(3, 1.0F)),
                    reprise::ProfileMismatch);
  }
  static_cast<void>(net.forward(large));
  CHECK(profiles == 2);
  static_cast<void>(net.forward(small));
  CHECK(profiles == 3);
  net.end_step();
}
