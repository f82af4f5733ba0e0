// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// What is remembered of each set of input shapes is bounded, and the bound changes no gradient.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <reprise/program/cost/measured_time.hpp>
#include <reprise/reprise.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "support/counted_heap.hpp"
#include "support/random_step.hpp"
#include "support/seed.hpp"

namespace {

using Tensor = std::vector<float>;
using Lengths = std::vector<std::size_t>;

/// y = x² in an engine that counts its measuring forwards.
struct Square {
  using tensor_type = Tensor;
  static constexpr auto backward_reads = reprise::Reads::input;
  Lengths* profiled = nullptr;  ///< lengths of measuring forwards, in their order
  std::vector<float> gradient{0.0F};

  Tensor forward(const Tensor& x, reprise::PassContext& pass) const {
    if (pass.is_profiling() && profiled != nullptr) profiled->push_back(x.size());
    Tensor y(x);
    for (float& v : y) v *= v;
    return y;
  }
  Tensor backward(const Tensor& x, const Tensor& dy, reprise::PassContext&) const {
    Tensor dx(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) dx[i] = 2.0F * x[i] * dy[i];
    return dx;
  }
  [[nodiscard]] reprise::NodeCosts costs(const Tensor& x) const {
    return {.forward_flops = static_cast<double>(x.size())};
  }
  template <class F>
  void for_each_gradient(F&& f) {
    f(std::span<float>(gradient));
  }
};

template <class Net>
void train(Net& net, std::size_t length) {
  net.begin_step();
  const Tensor x(length, 0.5F);
  auto pass = net.forward(x);
  const auto dx = net.backward(std::move(pass), Tensor(length, 1.0F));
  net.end_step();
  // d of x⁸ is 8x⁷.
  REQUIRE(dx[0] == Tensor(length, 8.0F / 128.0F));
}

template <class Object>
std::string saved(const Object& object) {
  std::ostringstream out;
  object.save(out);
  return out.str();
}

template <class Object>
void load(Object& object, const std::string& bytes) {
  std::istringstream in(bytes);
  object.load(in);
}

/// A planned and an online object over three nodes each, driven side by side.
struct Pair {
  explicit Pair(std::size_t max_shapes, std::size_t passes_in_flight = 1)
      : planned(graph, tracker, scheduler, store,
                {.passes_in_flight = passes_in_flight, .max_shapes = max_shapes}),
        online(online_graph, online_store,
               {.passes_in_flight = passes_in_flight, .max_shapes = max_shapes}) {}

  using Graph = reprise::Chain<Square>;
  using Scheduler = reprise::CheckpointScheduler<reprise::RecomputeAll>;

  Lengths profiled;
  Lengths online_profiled;
  std::vector<Square> nodes{Square{.profiled = &profiled}, Square{}, Square{}};
  std::vector<Square> online_nodes{Square{.profiled = &online_profiled}, Square{}, Square{}};
  Graph graph = reprise::chain(nodes);
  Graph online_graph = reprise::chain(online_nodes);
  reprise_test::NoStatistics tracker;
  Scheduler scheduler{reprise::RecomputeAll{}};
  reprise::RematStore<> store;
  reprise::RematStore<reprise::DtrEqClass> online_store;
  reprise::Checkpointed<Graph, reprise_test::NoStatistics, Scheduler> planned;
  reprise::Checkpointed<Graph, reprise::NoTracker, reprise::NoScheduler,
                        reprise::RematStore<reprise::DtrEqClass>>
      online;
};

/// Which lengths a memory of the least recently used shapes has to measure.
class Model {
 public:
  explicit Model(std::size_t most) : most_(most) {}

  void use(std::size_t length) {
    if (!forget(length)) misses_.push_back(length);
    known_.push_back(length);
    if (known_.size() > most_) known_.erase(known_.begin());
  }
  bool forget(std::size_t length) { return std::erase(known_, length) > 0; }
  [[nodiscard]] std::size_t size() const { return known_.size(); }
  [[nodiscard]] const Lengths& misses() const { return misses_; }

 private:
  std::size_t most_;
  Lengths known_;
  Lengths misses_;
};

/// Bytes on the heap beyond those of a warm-up that `run(first, last)` leaves behind.
template <class F>
std::int64_t growth(F&& run) {
  run(std::size_t{1}, std::size_t{200});
  const std::size_t before = reprise_test::heap.live;
  run(std::size_t{200}, std::size_t{1000});
  return static_cast<std::int64_t>(reprise_test::heap.live - before);
}

}  // namespace

TEST_CASE("the shapes used last are those that need no measuring forward") {
  REPRISE_SEEDED(random);
  for (int sequence = 0; sequence < 20; ++sequence) {
    const std::size_t most = 1 + random() % 5;
    Pair pair(most);
    Model model(most);
    for (int step = 0; step < 60; ++step) {
      const std::size_t length = 1 + random() % 8;
      if (random() % 6 == 0) {
        const bool is_known = model.forget(length);
        CHECK(pair.planned.forget_shapes(Tensor(length)) == is_known);
        CHECK(pair.online.forget_shapes(Tensor(length)) == is_known);
      } else if (random() % 10 == 0) {
        // Saved and loaded, it goes on in the same order.
        const std::string planned = saved(pair.planned);
        const std::string online = saved(pair.online);
        load(pair.planned, planned);
        load(pair.online, online);
        CHECK(saved(pair.planned) == planned);
        CHECK(saved(pair.online) == online);
      } else {
        model.use(length);
        train(pair.planned, length);
        train(pair.online, length);
      }
      REQUIRE(pair.profiled == model.misses());
      REQUIRE(pair.online_profiled == model.misses());
      REQUIRE(pair.planned.shape_count() == model.size());
      REQUIRE(pair.online.shape_count() == model.size());
    }
  }
}

TEST_CASE("a shape that is forgotten by hand is measured and planned anew") {
  Pair pair(8);
  train(pair.planned, 3);
  train(pair.planned, 4);
  CHECK(pair.scheduler.plan_count() == 2);
  CHECK(pair.planned.forget_shapes(Tensor(3)));
  CHECK_FALSE(pair.planned.forget_shapes(Tensor(3)));
  CHECK_FALSE(pair.planned.forget_shapes(Tensor(5)));
  CHECK(pair.scheduler.plan_count() == 1);
  CHECK(pair.planned.program().values()[1].bytes == 4 * sizeof(float));
  train(pair.planned, 3);
  CHECK(pair.profiled == Lengths{3, 4, 3});
  CHECK(pair.scheduler.plans_made() == 3);
}

TEST_CASE("passes in flight keep the shapes that are forgotten meanwhile") {
  Pair pair(1, 3);
  const auto check = [](auto& net, bool forgets) {
    net.begin_step();
    const std::vector<Tensor> inputs{Tensor(3, 0.5F), Tensor(4, 0.5F), Tensor(5, 0.5F)};
    std::vector<typename std::remove_cvref_t<decltype(net)>::pass_type> passes;
    for (const Tensor& x : inputs) {
      passes.push_back(net.forward(x));
      if (forgets) CHECK(net.forget_shapes(x));
    }
    CHECK(net.shape_count() == (forgets ? 0 : 1));
    CHECK(net.program().values()[1].bytes == 5 * sizeof(float));
    for (std::size_t i = 0; i < passes.size(); ++i) {
      const auto dx = net.backward(std::move(passes[i]), Tensor(inputs[i].size(), 1.0F));
      CHECK(dx[0] == Tensor(inputs[i].size(), 8.0F / 128.0F));
    }
    net.end_step();
  };
  for (const bool forgets : {false, true}) {
    check(pair.planned, forgets);
    check(pair.online, forgets);
  }
}

TEST_CASE("of more shapes than it remembers, an object loads those used last") {
  Pair large(8);
  for (const std::size_t length : {1U, 2U, 3U, 4U, 1U}) train(large.planned, length);
  Pair small(2);
  load(small.planned, saved(large.planned));
  CHECK(small.planned.shape_count() == 2);
  train(small.planned, 4);
  train(small.planned, 1);
  CHECK(small.profiled.empty());
  train(small.planned, 2);
  CHECK(small.profiled == Lengths{2});
}

TEST_CASE("no shape and no plan to remember are refused") {
  CHECK_THROWS_AS(Pair(0), reprise::InvalidArgument);
  CHECK_THROWS_AS((reprise::CheckpointScheduler{reprise::StoreAll{}, reprise::ReplanEvery{}, 0}),
                  reprise::InvalidArgument);
}

TEST_CASE("a thousand lengths leave no more on the heap than two hundred") {
  const auto check = [](auto planner, bool changes_overrides) {
    std::vector<Square> nodes(3);
    auto graph = reprise::chain(nodes);
    reprise::GradientStatTracker tracker{graph, reprise::Ema{.beta = 0.9}};
    reprise::CheckpointScheduler scheduler{std::move(planner), reprise::ReplanEvery{.steps = 7}, 8};
    reprise::RematStore store{{.budget = 1 << 20}};
    reprise::Checkpointed net{
        graph,
        tracker,
        scheduler,
        store,
        {.max_shapes = 8, .cost_model = reprise::MeasuredTime{.max_kinds = 8}}};
    std::size_t state_size = 0;
    const std::int64_t grown = growth([&](std::size_t first, std::size_t last) {
      for (std::size_t length = first; length < last; ++length) {
        if (changes_overrides && length % 50 == 0) {
          scheduler.override_layer(length % 3, reprise::LayerOverride::must_recompute);
        }
        train(net, length);
      }
      if (state_size == 0) state_size = saved(net).size() + saved(scheduler).size();
      train(net, last);
    });
    CHECK(grown < 4096);
    CHECK(net.shape_count() == 8);
    CHECK(scheduler.plan_count() <= 8);
    CHECK(saved(net).size() + saved(scheduler).size() < state_size + 1024);
  };
  SUBCASE("without a search") { check(reprise::StoreAll{}, true); }
  SUBCASE("with a search that remembers") {
    check(reprise::Balanced{{.tries = 20}}, false);
    check(reprise::Balanced{{.tries = 20}}, true);
  }
  SUBCASE("with a search that does not") {
    check(reprise::LocalSearch{.effort = {.tries = 20}}, false);
  }
  SUBCASE("with thresholds that remember") {
    check(reprise::GradientThreshold{reprise::Hysteresis{reprise::MedianThreshold{}, 0.4}}, true);
  }
  SUBCASE("under an online policy") {
    std::vector<Square> nodes(3);
    auto graph = reprise::chain(nodes);
    reprise::RematStore store{reprise::DtrEqClass{}};
    reprise::Checkpointed net{
        graph, store, {.max_shapes = 8, .cost_model = reprise::MeasuredTime{.max_kinds = 8}}};
    CHECK(growth([&](std::size_t first, std::size_t last) {
            for (std::size_t length = first; length < last; ++length) train(net, length);
          }) < 4096);
  }
}

TEST_CASE("by default sixty-four sets of shapes are remembered") {
  std::vector<Square> nodes(3);
  auto graph = reprise::chain(nodes);
  reprise_test::NoStatistics tracker;
  reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
  reprise::RematStore planned_store;
  reprise::Checkpointed planned{graph, tracker, scheduler, planned_store};
  reprise::RematStore online_store{reprise::DtrEqClass{}};
  reprise::Checkpointed online{graph, online_store};
  for (std::size_t length = 1; length <= 100; ++length) {
    train(planned, length);
    train(online, length);
  }
  CHECK(planned.shape_count() == 64);
  CHECK(scheduler.plan_count() == 64);
  CHECK(online.shape_count() == 64);
}
