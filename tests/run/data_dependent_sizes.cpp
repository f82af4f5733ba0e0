// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// A router sends each of four experts another number of tokens each step, while the shape of its
// input stays: what was seen so far, or what the nodes declare, bounds what a pass takes.

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <random>
#include <reprise/core/graph.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/planner/balanced.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/store/remat_store.hpp>
#include <span>
#include <sstream>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "support/counting_tensor.hpp"
#include "support/random_step.hpp"
#include "support/seed.hpp"

namespace {

using Tensor = reprise_test::BasicCountingTensor<double>;
using reprise::byte_count;

constexpr std::size_t tokens = 64;
constexpr byte_count most_bytes = tokens * sizeof(double);

struct World {
  reprise_test::CountingMemory memory;
  std::uint64_t measurements = 0;
  bool declares = false;  ///< the most bytes of each node
};

struct Node {
  using tensor_type = Tensor;
  World* world;
  [[nodiscard]] Tensor make(std::size_t size) const { return {world->memory, size}; }
};

/// The expert of a token.
std::size_t expert_of(double token) {
  return token < -0.5 ? 0 : token < 0 ? 1 : token < 0.5 ? 2 : 3;
}

using Places = std::array<std::size_t, 4>;
using Split = std::tuple<Tensor, Tensor, Tensor, Tensor>;

Split split(const Node& node, const Tensor& x, const Tensor& by) {
  Places sizes{};
  for (std::size_t i = 0; i < by.size(); ++i) ++sizes[expert_of(by[i])];
  std::array<Tensor, 4> parts{node.make(sizes[0]), node.make(sizes[1]), node.make(sizes[2]),
                              node.make(sizes[3])};
  Places at{};
  for (std::size_t i = 0; i < by.size(); ++i) {
    const std::size_t expert = expert_of(by[i]);
    parts[expert][at[expert]++] = x[i];
  }
  return {parts[0], parts[1], parts[2], parts[3]};
}

Tensor join(const Node& node, const std::array<const Tensor*, 4>& parts, const Tensor& by) {
  Tensor y = node.make(by.size());
  Places at{};
  for (std::size_t i = 0; i < by.size(); ++i) {
    const std::size_t expert = expert_of(by[i]);
    y[i] = (*parts[expert])[at[expert]++];
  }
  return y;
}

/// y = f x with f drawn from the pass's stream.
struct Noise : Node {
  using saved_type = Tensor;

  Tensor forward(const Tensor& x, Tensor& factors, reprise::PassContext& pass) const {
    if (pass.is_profiling()) ++world->measurements;
    factors = make(x.size());
    Tensor y = make(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      factors[i] = 0.5 + pass.random().uniform(i);
      y[i] = factors[i] * x[i];
    }
    return y;
  }
  Tensor backward(Tensor& factors, const Tensor& dy, reprise::PassContext&) const {
    Tensor dx = make(dy.size());
    for (std::size_t i = 0; i < dy.size(); ++i) dx[i] = factors[i] * dy[i];
    return dx;
  }
};

struct Route : Node {
  static constexpr auto backward_reads = reprise::Reads::input;

  Split forward(const Tensor& x, reprise::PassContext&) const { return split(*this, x, x); }
  Tensor backward(const Tensor& x, const Tensor& a, const Tensor& b, const Tensor& c,
                  const Tensor& d, reprise::PassContext&) const {
    return join(*this, {&a, &b, &c, &d}, x);
  }
  [[nodiscard]] reprise::NodeCosts costs(const Tensor& x) const {
    reprise::NodeCosts costs{.forward_flops = static_cast<double>(x.size())};
    if (world->declares) costs.max_output_bytes = std::vector<byte_count>(4, most_bytes);
    return costs;
  }
};

/// y = tanh(w x), with memory of its own while it runs.
struct Expert : Node {
  using saved_type = Tensor;
  static constexpr auto backward_reads = reprise::Reads::input;
  std::vector<double> weight{0.7};
  std::vector<double> gradient{0.0};

  Tensor forward(const Tensor& x, Tensor& h, reprise::PassContext&) const {
    Tensor y = make(x.size());
    h = make(x.size());
    const Tensor scratch = make(2 * x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      scratch[i] = weight[0] * x[i];
      y[i] = h[i] = std::tanh(scratch[i]);
    }
    return y;
  }
  Tensor backward(const Tensor& x, Tensor& h, const Tensor& dy, reprise::PassContext&) {
    Tensor dx = make(x.size());
    const Tensor scratch = make(3 * x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      scratch[i] = dy[i] * (1 - h[i] * h[i]);
      dx[i] = scratch[i] * weight[0];
      gradient[0] += scratch[i] * x[i];
    }
    return dx;
  }
  [[nodiscard]] reprise::NodeCosts costs(const Tensor& x) const {
    const byte_count bytes = world->declares ? most_bytes : x.size() * sizeof(double);
    reprise::NodeCosts costs{.forward_flops = static_cast<double>(20 * x.size()),
                             .forward_transient_bytes = 2 * bytes,
                             .backward_transient_bytes = 3 * bytes};
    if (world->declares) {
      costs.max_output_bytes = {most_bytes};
      costs.max_saved_bytes = most_bytes;
    }
    return costs;
  }
  template <class F>
  void for_each_gradient(F&& f) {
    f(std::span<double>(gradient));
  }
};

struct Merge : Node {
  static constexpr auto backward_reads = reprise::Reads::input_at(4);
  static constexpr auto differentiates = reprise::Reads::input_at(0) | reprise::Reads::input_at(1) |
                                         reprise::Reads::input_at(2) | reprise::Reads::input_at(3);

  Tensor forward(const Tensor& a, const Tensor& b, const Tensor& c, const Tensor& d,
                 const Tensor& x, reprise::PassContext&) const {
    return join(*this, {&a, &b, &c, &d}, x);
  }
  std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> backward(const Tensor& x, const Tensor& dy,
                                                              reprise::PassContext&) const {
    return std::tuple_cat(split(*this, dy, x), std::tuple(Tensor{}));
  }
  [[nodiscard]] reprise::NodeCosts costs(const Tensor&, const Tensor&, const Tensor&, const Tensor&,
                                         const Tensor& x) const {
    return {.forward_flops = static_cast<double>(x.size())};
  }
};

/// Two routed layers, one after the other.
class Model {
 public:
  explicit Model(bool declares) {
    world.declares = declares;
    experts.resize(8, Expert{{&world}});
    reprise::Source x = graph.input();
    for (std::size_t layer = 0; layer < 2; ++layer) {
      const reprise::Source h = graph.add(Noise{{&world}}, x);
      const reprise::Source routed = graph.add(Route{{&world}}, h);
      std::array<reprise::Source, 4> made{};
      for (std::uint32_t i = 0; i < 4; ++i) {
        made[i] = graph.add(std::ref(experts[4 * layer + i]), reprise::Source{routed.node, i});
      }
      x = graph.add(Merge{{&world}}, made[0], made[1], made[2], made[3], h);
    }
    graph.output(x);
  }

  [[nodiscard]] Tensor batch(std::uint64_t step) {
    std::mt19937_64 random(step);
    std::uniform_real_distribution<double> share(0.0, 1.0);
    const double centre = 2.4 * share(random) - 1.2;
    Tensor x(world.memory, tokens);
    for (std::size_t i = 0; i < tokens; ++i) x[i] = centre + share(random) - 0.5;
    return x;
  }
  [[nodiscard]] std::vector<double> take_gradients() {
    std::vector<double> all;
    for (Expert& expert : experts) all.push_back(std::exchange(expert.gradient[0], 0.0));
    return all;
  }

  World world;
  std::vector<Expert> experts;
  reprise::Graph<Tensor> graph;
};

struct KeepNothing {
  reprise::Plan operator()(const reprise::PlanRequest& request) const {
    const reprise::SavedSet none(request.program.values().size(), 0);
    return {.schedule = reprise::schedule_from_saved(request.program, none)};
  }
};

constexpr std::uint64_t steps = 60;

Tensor ones(Model& model) {
  Tensor dy(model.world.memory, tokens);
  for (std::size_t i = 0; i < tokens; ++i) dy[i] = 1.0;
  return dy;
}

/// The gradients of each step with everything kept, from an object that has seen that step only.
std::vector<std::vector<double>> expected_gradients(std::uint64_t first_batch) {
  std::vector<std::vector<double>> all;
  for (std::uint64_t step = 0; step < steps; ++step) {
    Model model(false);
    reprise_test::NoStatistics tracker;
    reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
    reprise::RematStore store;
    reprise::Checkpointed net{model.graph, tracker, scheduler, store};
    net.resume_at(step);
    net.begin_step();
    const Tensor x = model.batch(first_batch + step);
    auto pass = net.forward(x);
    net.backward(std::move(pass), ones(model));
    all.push_back(model.take_gradients());
  }
  return all;
}

struct Trained {
  std::uint64_t refused = 0;  ///< steps that threw
  std::uint64_t refusals = 0;
  std::uint64_t measurements = 0;
};

/// Trains; a pass that is refused is tried again, in its step or in the step begun anew.
template <class Net>
Trained train(Model& model, Net& net, std::uint64_t first_batch, bool begins_again,
              byte_count budget = reprise::unlimited_bytes) {
  const std::vector<std::vector<double>> expected = expected_gradients(first_batch);
  Trained trained;
  for (std::uint64_t step = 0; step < steps; ++step) {
    CAPTURE(step);
    const Tensor x = model.batch(first_batch + step);
    net.begin_step();
    bool is_refused = false;
    for (bool is_done = false; !is_done;) {
      try {
        const byte_count outside = model.world.memory.live;
        model.world.memory.peak = outside;
        auto pass = net.forward(x);
        // A measuring forward is outside the budget; it is over when the pass begins.
        const byte_count measured = net.report().profile_bytes;
        net.backward(std::move(pass), ones(model));
        CHECK(net.report().peak_bytes <= budget);
        if (measured == 0) CHECK(model.world.memory.peak - outside <= net.report().peak_bytes);
        is_done = true;
      } catch (const reprise::ProfileMismatch&) {
        is_refused = true;
        static_cast<void>(model.take_gradients());
        REQUIRE(++trained.refusals < 1000);
        REQUIRE(net.live_bytes() == 0);
        if (begins_again) net.begin_step();
      }
    }
    net.end_step();
    if (is_refused) ++trained.refused;
    REQUIRE(model.take_gradients() == expected[step]);
  }
  trained.measurements = model.world.measurements / 2;
  return trained;
}

template <class P>
Trained train_planned(P planner, bool declares, bool begins_again,
                      byte_count budget = reprise::unlimited_bytes, std::uint64_t first_batch = 0) {
  Model model(declares);
  reprise_test::NoStatistics tracker;
  reprise::CheckpointScheduler scheduler{std::move(planner)};
  reprise::RematStore store{{.budget = budget}};
  reprise::Checkpointed net{model.graph, tracker, scheduler, store};
  return train(model, net, first_batch, begins_again, budget);
}

Trained train_online(bool declares, bool begins_again, byte_count budget = reprise::unlimited_bytes,
                     std::uint64_t first_batch = 0) {
  Model model(declares);
  reprise::RematStore store{reprise::DtrEqClass{}, {.budget = budget}};
  reprise::Checkpointed net{model.graph, store};
  return train(model, net, first_batch, begins_again, budget);
}

}  // namespace

TEST_CASE("sizes that depend on data refuse no pass where there is room") {
  for (const bool begins_again : {false, true}) {
    for (const std::uint64_t first_batch : {0U, 1000U, 2000U}) {
      CAPTURE(begins_again);
      CAPTURE(first_batch);
      const auto check = [](const Trained& trained) {
        CHECK(trained.refusals == 0);
        CHECK(trained.measurements == 1);
      };
      const byte_count none = reprise::unlimited_bytes;
      check(train_planned(reprise::StoreAll{}, false, begins_again, none, first_batch));
      check(train_planned(reprise::RecomputeAll{}, false, begins_again, none, first_batch));
      check(train_online(false, begins_again, none, first_batch));
    }
  }
}

TEST_CASE("sizes that depend on data refuse few passes under a budget, and never pass it") {
  for (const byte_count budget : {18 * most_bytes, 20 * most_bytes, 24 * most_bytes}) {
    for (const bool begins_again : {false, true}) {
      CAPTURE(budget);
      CAPTURE(begins_again);
      const auto check = [](const Trained& trained) {
        CHECK(trained.refused <= 8);
        CHECK(trained.measurements == trained.refusals + 1);
      };
      check(train_planned(reprise::RecomputeAll{}, false, begins_again, budget));
      check(train_planned(reprise::MinCut{}, false, begins_again, budget));
      check(train_planned(reprise::Balanced{{.tries = 50}}, false, begins_again, budget));
      check(train_online(false, begins_again, budget));
    }
  }
}

TEST_CASE("frozen plans go on with sizes that grew") {
  Model model(false);
  reprise_test::NoStatistics tracker;
  reprise::CheckpointScheduler scheduler{reprise::RecomputeAll{}};
  reprise::RematStore store;
  reprise::Checkpointed net{model.graph, tracker, scheduler, store};
  net.begin_step();
  const Tensor first = model.batch(0);
  { const auto pass = net.forward(first); }
  net.end_step();
  scheduler.freeze();
  net.resume_at(0);
  CHECK(train(model, net, 0, false).refusals == 0);
  CHECK(scheduler.plans_made() == 1);
}

TEST_CASE("what was seen is part of the saved state") {
  Model model(false);
  reprise::RematStore store{reprise::DtrEqClass{}};
  reprise::Checkpointed net{model.graph, store};
  static_cast<void>(train(model, net, 0, false));
  std::stringstream state;
  net.save(state);
  Model other(false);
  reprise::RematStore resumed_store{reprise::DtrEqClass{}};
  reprise::Checkpointed resumed{other.graph, resumed_store};
  resumed.load(state);
  resumed.resume_at(0);
  CHECK(train(other, resumed, 0, false).measurements == 0);
  std::ostringstream before;
  net.save(before);
  std::ostringstream after;
  resumed.save(after);
  CHECK(before.str() == after.str());
}

TEST_CASE("a rerun that makes more than its original is refused, but for what was put off") {
  enum class Part { output, saved, put_off };
  struct Growing : Noise {
    Part part;

    Tensor forward(const Tensor& x, Tensor& factors, reprise::PassContext& pass) const {
      Tensor y = Noise::forward(x, factors, pass);
      if (part == Part::put_off) {
        if (pass.will_recompute()) factors = {};
        if (pass.is_profiling()) factors = make(1);
      } else if (pass.is_recompute()) {
        (part == Part::output ? y : factors) = make(x.size() + 1);
      }
      return y;
    }
  };
  for (const Part part : {Part::output, Part::saved, Part::put_off}) {
    World world;
    reprise::Graph<Tensor> graph;
    const reprise::Source first = graph.add(Growing{{{&world}}, part}, graph.input());
    graph.output(graph.add(Noise{{&world}}, first));
    reprise_test::NoStatistics tracker;
    reprise::CheckpointScheduler scheduler{KeepNothing{}};
    reprise::RematStore store;
    reprise::Checkpointed net{graph, tracker, scheduler, store};
    const Tensor x(world.memory, 3);
    net.begin_step();
    auto pass = net.forward(x);
    const auto backward = [&] { net.backward(std::move(pass), Tensor(world.memory, 3)); };
    if (part == Part::put_off) {
      CHECK_NOTHROW(backward());
    } else {
      CHECK_THROWS_AS(backward(), reprise::ProfileMismatch);
    }
    CHECK(net.live_bytes() == 0);
  }
}

TEST_CASE("where nodes declare the most, no pass is refused") {
  constexpr byte_count budget = 28 * most_bytes;
  for (const byte_count bytes : {reprise::unlimited_bytes, budget}) {
    for (const Trained& trained :
         {train_planned(reprise::RecomputeAll{}, true, false, bytes),
          train_planned(reprise::MinCut{}, true, false, bytes), train_online(true, false, bytes)}) {
      CHECK(trained.refusals == 0);
      CHECK(trained.measurements == 1);
    }
  }
}

TEST_CASE("bytes that are declared for another number of outputs are refused") {
  struct Wrong : Noise {
    [[nodiscard]] reprise::NodeCosts costs(const Tensor&) const {
      return {.max_output_bytes = {1, 2}};
    }
  };
  World world;
  reprise::Graph<Tensor> graph;
  graph.output(graph.add(Wrong{{{&world}}}, graph.input()));
  reprise::RematStore store{reprise::DtrEqClass{}};
  reprise::Checkpointed net{graph, store};
  net.begin_step();
  const Tensor x(world.memory, 3);
  CHECK_THROWS_WITH_AS(static_cast<void>(net.forward(x)),
                       "node 0 declares the most bytes of 2 outputs and has 1",
                       reprise::InvalidArgument);
}
