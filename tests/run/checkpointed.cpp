// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// long: REPRISE_CASES=1000000
#include <doctest/doctest.h>

#include <cstdlib>
#include <cstring>
#include <random>
#include <reprise/reprise.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/keep_random.hpp"
#include "support/random_graph.hpp"

namespace {

using reprise_test::KeepRandom;
using reprise_test::RandomGraph;
using reprise_test::Tensor;

struct NoStatistics {
  [[nodiscard]] std::span<const double> statistics() const { return {}; }
  std::uint64_t ended = 0;
  void end_step() { ++ended; }
  void abandon_step() {}
};

struct Result {
  std::vector<float> outputs;
  std::vector<float> gradients;
  friend bool operator==(const Result& a, const Result& b) {
    const auto same = [](const std::vector<float>& x, const std::vector<float>& y) {
      return x.size() == y.size() &&
             (x.empty() || std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0);
    };
    return same(a.outputs, b.outputs) && same(a.gradients, b.gradients);
  }
};

void append(std::vector<float>& to, const Tensor& t) {
  to.insert(to.end(), t.data(), t.data() + t.size());
}

template <class Net>
Result step(RandomGraph& random_graph, Net& net, const Tensor& input) {
  Result result;
  random_graph.zero_gradients();
  net.begin_step();
  auto pass = net.forward(input);
  const std::size_t outputs = random_graph.graph.outputs().size();
  for (std::size_t i = 0; i < outputs; ++i) append(result.outputs, pass.output(i));
  std::vector<Tensor> dx;
  if (outputs == 1) {
    dx = net.backward(std::move(pass), random_graph.tensor(0.5F));
  } else {
    auto first = random_graph.tensor(0.5F);
    auto second = random_graph.tensor(-0.25F);
    dx = net.backward(std::move(pass), std::move(first), std::move(second));
  }
  net.end_step();
  for (const Tensor& t : dx) append(result.gradients, t);
  const std::vector<float> parameters = random_graph.gradients();
  result.gradients.insert(result.gradients.end(), parameters.begin(), parameters.end());
  return result;
}

template <class P>
Result run_once(RandomGraph& random_graph, P planner, reprise::CheckpointedOptions options) {
  NoStatistics tracker;
  reprise::CheckpointScheduler scheduler{std::move(planner)};
  reprise::Checkpointed net{random_graph.graph, tracker, scheduler, std::move(options)};
  const Tensor input = random_graph.tensor(0.3F);
  return step(random_graph, net, input);
}

std::size_t case_count() {
  const char* const given = std::getenv("REPRISE_CASES");
  return given == nullptr ? 2000 : static_cast<std::size_t>(std::stoull(given));
}

}  // namespace

TEST_CASE("random plans give store-all's gradients to the bit, and the ledger is the allocator") {
  for (std::size_t seed = 0; seed < case_count(); ++seed) {
    CAPTURE(seed);
    std::mt19937 random(static_cast<std::uint32_t>(seed));
    RandomGraph random_graph(random);
    auto& memory = random_graph.world->memory;
    const Result expected = run_once(random_graph, reprise::StoreAll{}, {.seed = seed});
    CHECK(memory.live == 0);

    std::uint64_t outside = 0;
    bool agrees = true;
    std::string where;
    const auto note = [&](bool holds, const reprise::ActionEvent& event, const char* what) {
      if (holds || !agrees) return;
      agrees = false;
      where = std::string(what) + " action " + std::to_string(static_cast<int>(event.action.kind)) +
              " of " + std::to_string(event.action.index) + ": ledger " +
              std::to_string(event.during_bytes) + "/" + std::to_string(event.live_bytes) +
              ", allocator " + std::to_string(memory.peak - outside) + "/" +
              std::to_string(memory.live - outside);
    };
    std::uint64_t during = 0;
    bool is_turn = false;
    const std::uint64_t nodes = random_graph.graph.size();
    outside = random_graph.width * sizeof(float);
    reprise::CheckpointedOptions options{.seed = seed, .verify_replay = seed % 3 == 0};
    options.observer = [&](const reprise::ActionEvent& event) {
      is_turn = event.action.kind == reprise::ActionKind::run && event.action.index == nodes;
      if (is_turn) return;
      if (event.moment == reprise::ActionEvent::Moment::before) {
        note(memory.live - outside == event.live_bytes, event, "before");
        memory.peak = memory.live;
        during = event.during_bytes;
      } else {
        note(memory.live - outside == event.live_bytes, event, "after");
        note(memory.peak - outside == std::max(during, event.live_bytes), event, "inside");
      }
    };
    const Result got = run_once(random_graph, KeepRandom{&random}, options);
    CHECK(got == expected);
    CHECK_MESSAGE(agrees, where);
    CHECK(memory.live == 0);
  }
}

TEST_CASE("a failed allocation or call leaves nothing behind, and the step can be tried again") {
  for (std::uint32_t seed = 0; seed < 12; ++seed) {
    for (const bool is_allocation : {true, false}) {
      for (std::uint64_t n = 0;; ++n) {
        CAPTURE(seed);
        CAPTURE(n);
        std::mt19937 random(seed);
        RandomGraph random_graph(random);
        auto& world = *random_graph.world;
        NoStatistics tracker;
        reprise::CheckpointScheduler scheduler{reprise::RecomputeAll{}};
        reprise::Checkpointed net{random_graph.graph, tracker, scheduler, {.seed = seed}};
        const Tensor input = random_graph.tensor(0.3F);
        const Result expected = step(random_graph, net, input);
        net.resume_at(0);
        const std::uint64_t rest = world.memory.live;
        tracker.ended = 0;
        if (is_allocation) {
          world.memory.fails_at = world.memory.allocations + n;
        } else {
          world.calls = 0;
          world.throws_at = n;
        }
        bool failed = false;
        try {
          static_cast<void>(step(random_graph, net, input));
        } catch (const std::exception&) {
          failed = true;
        }
        world.memory.fails_at.reset();
        world.throws_at.reset();
        if (!failed) break;
        REQUIRE(world.memory.live == rest);
        REQUIRE(net.live_bytes() == 0);
        REQUIRE(tracker.ended == 0);
        REQUIRE(step(random_graph, net, input) == expected);
      }
    }
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
      static_cast<void>(run_once(random_graph, threshold(), {.budget = 1, .seed = seed}));
      FAIL("a budget of one byte was accepted");
    } catch (const reprise::BudgetInfeasible& refused) {
      smallest = refused.planner_bytes();
      CHECK(refused.bound_bytes() <= smallest);
      CHECK(refused.budget_bytes() == 1);
    }
    const Result expected = run_once(random_graph, reprise::StoreAll{}, {.seed = seed});
    CHECK(run_once(random_graph, threshold(), {.budget = smallest, .seed = seed}) == expected);
    CHECK_THROWS_AS(static_cast<void>(run_once(random_graph, threshold(),
                                               {.budget = smallest - 1, .seed = seed})),
                    reprise::BudgetInfeasible);
  }
}

TEST_CASE("several passes in flight share one budget and give the gradients of one after another") {
  std::mt19937 random(7);
  RandomGraph random_graph(random);
  const Tensor input = random_graph.tensor(0.3F);
  const auto gradients = [&] { return random_graph.tensor(0.5F); };
  const bool one = random_graph.graph.outputs().size() == 1;
  const auto back = [&](auto& net, auto pass) {
    if (one) {
      net.backward(std::move(pass), gradients());
    } else {
      net.backward(std::move(pass), gradients(), gradients());
    }
  };
  const auto run = [&](std::size_t in_flight) {
    NoStatistics tracker;
    reprise::CheckpointScheduler scheduler{reprise::RecomputeAll{}};
    reprise::Checkpointed net{
        random_graph.graph, tracker, scheduler, {.passes_in_flight = in_flight}};
    random_graph.zero_gradients();
    net.begin_step();
    if (in_flight == 2) {
      auto first = net.forward(input);
      auto second = net.forward(input);
      CHECK_THROWS_AS(static_cast<void>(net.forward(input)), reprise::InvalidState);
      back(net, std::move(first));
      back(net, std::move(second));
    } else {
      for (int i = 0; i < 2; ++i) back(net, net.forward(input));
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
  reprise::Checkpointed net{random_graph.graph, tracker, scheduler};
  const Tensor input = random_graph.tensor(0.3F);
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
      reprise::Checkpointed net{random_graph.graph, tracker, scheduler, {.seed = seed}};
      const Tensor input = random_graph.tensor(0.3F);
      net.begin_step();
      CHECK_NOTHROW(net.verify_step(
          [&](std::span<const Tensor* const> outputs) {
            std::vector<Tensor> gradients;
            for (std::size_t i = 0; i < outputs.size(); ++i) {
              gradients.push_back(random_graph.tensor(0.5F));
            }
            return gradients;
          },
          [&] { random_graph.zero_gradients(); }, input));
      CHECK(net.live_bytes() == 0);
      CHECK(random_graph.world->memory.live == random_graph.width * sizeof(float));
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
    reprise::Checkpointed net{graph, tracker, scheduler};
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

/// y = 2 x for vectors of any size; counts how often it is profiled.
struct Twice {
  using tensor_type = std::vector<float>;
  int* profiles;

  std::vector<float> forward(const std::vector<float>& x, reprise::PassContext& pass) {
    if (pass.is_profiling()) ++*profiles;
    std::vector<float> y = x;
    for (float& v : y) v *= 2.0F;
    return y;
  }
  std::vector<float> backward(const std::vector<float>& dy, reprise::PassContext&) {
    std::vector<float> dx = dy;
    for (float& v : dx) v *= 2.0F;
    return dx;
  }
};

}  // namespace

TEST_CASE("a mismatch in backward makes only the shapes of its own pass be profiled anew") {
  int profiles = 0;
  std::vector<Twice> nodes{{.profiles = &profiles}};
  auto graph = reprise::chain(nodes);
  NoStatistics tracker;
  reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
  reprise::Checkpointed net{graph, tracker, scheduler, {.passes_in_flight = 2}};
  const std::vector<float> small(3, 1.0F);
  const std::vector<float> large(5, 1.0F);
  net.begin_step();
  {
    auto first = net.forward(small);
    const auto second = net.forward(large);
    CHECK(profiles == 2);
    CHECK_THROWS_AS(net.backward(std::move(first), std::vector<float>(9, 1.0F)),
                    reprise::ProfileMismatch);
  }
  static_cast<void>(net.forward(large));
  CHECK(profiles == 2);
  static_cast<void>(net.forward(small));
  CHECK(profiles == 3);
  net.end_step();
}
