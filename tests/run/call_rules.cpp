// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// In which order Checkpointed may be called, by whom, and what the user's word on a layer does.

#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <functional>
#include <optional>
#include <reprise/program/cost/flops.hpp>
#include <reprise/reprise.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

using reprise::LayerOverride;
using reprise::PassContext;
using Tensor = std::vector<float>;

struct NoStatistics {
  int asked = 0;
  std::vector<double> gradients{};
  [[nodiscard]] std::span<const double> statistics() const {
    ++const_cast<NoStatistics*>(this)->asked;
    return gradients;
  }
  void end_step() {}
  void abandon_step() {}
};

/// y = x²; calls whatever it is told to.
struct Square {
  using tensor_type = Tensor;
  using saved_type = Tensor;
  std::function<void(const char*, const PassContext&)> hook{};

  Tensor forward(const Tensor& x, Tensor& saved, PassContext& pass) {
    if (hook) hook("forward", pass);
    saved = x;
    Tensor y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] * x[i];
    return y;
  }
  Tensor backward(Tensor& saved, const Tensor& dy, PassContext& pass) {
    if (hook) hook("backward", pass);
    Tensor dx(dy.size());
    for (std::size_t i = 0; i < dy.size(); ++i) dx[i] = 2.0F * saved[i] * dy[i];
    return dx;
  }
  [[nodiscard]] reprise::NodeCosts costs(const Tensor& x) const {
    return {.forward_flops = static_cast<double>(x.size())};
  }
  void for_each_gradient(auto&& /*f*/) const {}  // it has no parameters
};

/// Layers in a row under a planner.
template <class P>
struct Model {
  std::vector<Square> layers;
  reprise::Chain<Square> graph;
  NoStatistics tracker;
  reprise::CheckpointScheduler<P> scheduler;
  reprise::RematStore<> store;
  reprise::Checkpointed<reprise::Chain<Square>, NoStatistics, reprise::CheckpointScheduler<P>> net;

  explicit Model(std::size_t count, P planner = {},
                 reprise::CheckpointedOptions options = {.cost_model = reprise::Flops{}},
                 std::uint64_t every = 100)
      : layers(count),
        graph(layers),
        scheduler(std::move(planner), reprise::ReplanEvery{.steps = every}),
        net(graph, tracker, scheduler, store, std::move(options)) {}
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  Tensor step(const Tensor& x) {
    net.begin_step();
    auto pass = net.forward(x);
    Tensor dx = std::move(net.backward(std::move(pass), Tensor(x.size(), 1.0F))[0]);
    report = net.report();
    net.end_step();
    return dx;
  }
  reprise::RunReport report;
};

const Tensor input{0.5F, 0.75F, 1.0F};

// Recomputes each layer whose statistic is below 2, as soon as there is one.
using ReadsStatistics = reprise::GradientThreshold<reprise::ConstantThreshold>;
const ReadsStatistics reads_statistics{reprise::ConstantThreshold{.tau = 2.0}};

}  // namespace

TEST_CASE("gradients of gradients are refused, and the next step may begin") {
  const std::array<const char*, 6> calls{"forward",    "backward", "verify_step",
                                         "begin_step", "end_step", "infer"};
  for (const char* const call : calls) {
    for (const char* const where : {"forward", "backward"}) {
      for (const bool in_rerun : {false, true}) {
        CAPTURE(call);
        CAPTURE(where);
        CAPTURE(in_rerun);
        Model<reprise::StoreAll> model(3, {},
                                       {.passes_in_flight = 3, .cost_model = reprise::Flops{}});
        model.scheduler.override_layer(1, LayerOverride::must_recompute);
        auto& net = model.net;
        const Tensor expected = model.step(input);
        net.begin_step();
        std::optional other{net.forward(input)};
        model.layers[1].hook = [&, at = std::string(where)](const char* in,
                                                            const PassContext& pass) {
          if (in != at || pass.is_recompute() != (in_rerun && at == "forward")) return;
          const std::string which = call;
          if (which == "forward") static_cast<void>(net.forward(input));
          if (which == "backward") net.backward(std::move(*other), Tensor(3, 1.0F));
          if (which == "begin_step") net.begin_step();
          if (which == "infer") static_cast<void>(net.infer(input));
          if (which == "end_step") net.end_step();
          if (which == "verify_step") {
            net.verify_step([](auto) { return std::vector<Tensor>{}; }, [] {}, input);
          }
        };
        const auto run = [&] {
          auto pass = net.forward(input);
          net.backward(std::move(pass), Tensor(3, 1.0F));
        };
        const std::string says = std::string(call) +
                                 " called by a node that it runs: gradients of gradients are not "
                                 "supported";
        CHECK_THROWS_WITH_AS(run(), says.c_str(), reprise::InvalidState);
        CHECK(static_cast<bool>(*other));
        other.reset();
        CHECK(net.live_bytes() == 0);
        model.layers[1].hook = nullptr;
        CHECK(model.step(input) == expected);
      }
    }
  }
}

TEST_CASE("a pass has one backward, by the object that made it") {
  Model<reprise::StoreAll> model(3);
  Model<reprise::StoreAll> other(3);
  model.net.begin_step();
  other.net.begin_step();
  auto pass = model.net.forward(input);
  CHECK_THROWS_WITH_AS(other.net.backward(std::move(pass), Tensor(3, 1.0F)),
                       "backward of another object's pass", reprise::InvalidArgument);
  REQUIRE(static_cast<bool>(pass));
  CHECK_THROWS_AS(static_cast<void>(pass.output(1)), reprise::InvalidArgument);
  CHECK_NOTHROW(model.net.backward(std::move(pass), Tensor(3, 1.0F)));
  CHECK_FALSE(static_cast<bool>(pass));  // NOLINT(bugprone-use-after-move): that is the rule
  CHECK_THROWS_WITH_AS(model.net.backward(std::move(pass), Tensor(3, 1.0F)),
                       "backward of a pass that backward has taken", reprise::InvalidState);
  CHECK_THROWS_AS(static_cast<void>(pass.output()), reprise::InvalidState);
  pass = model.net.forward(input);
  CHECK_THROWS_AS(model.net.backward(std::move(pass)), reprise::InvalidArgument);
  CHECK(model.net.live_bytes() == 0);
  model.net.end_step();
}

TEST_CASE("a layer that must be saved is never recomputed, one that must be recomputed always is") {
  using Counts = std::vector<std::uint32_t>;
  Model<reprise::StoreAll> keeps(5);
  const Tensor expected = keeps.step(input);
  CHECK(keeps.report.recomputes_per_layer == Counts{0, 0, 0, 0, 0});
  keeps.scheduler.override_layer(1, LayerOverride::must_recompute);
  keeps.scheduler.override_layer(3, LayerOverride::must_recompute);
  CHECK(keeps.step(input) == expected);
  CHECK(keeps.report.recomputes_per_layer == Counts{0, 1, 0, 1, 0});
  CHECK(keeps.report.recomputed_cost == 2 * 3);
  CHECK(keeps.report.recomputed_cost_per_layer == std::vector<double>{0, 3, 0, 3, 0});
  keeps.scheduler.override_layer(1, LayerOverride::none);
  CHECK(keeps.step(input) == expected);
  CHECK(keeps.report.recomputes_per_layer == Counts{0, 0, 0, 1, 0});

  Model<reprise::RecomputeAll> drops(5);
  CHECK(drops.step(input) == expected);
  const Counts without = drops.report.recomputes_per_layer;
  REQUIRE(without[2] == 1);
  drops.scheduler.override_layer(2, LayerOverride::must_save);
  CHECK(drops.step(input) == expected);
  CHECK(drops.report.recomputes_per_layer[2] == 0);
  CHECK(drops.report.recomputes_per_layer[1] == without[1]);
}

TEST_CASE("training is taken up at a step between steps only") {
  Model<reprise::StoreAll> model(2);
  model.net.resume_at(7);
  model.net.begin_step();
  CHECK_THROWS_WITH_AS(model.net.resume_at(3), "resume_at inside a step: end it first",
                       reprise::InvalidState);
  CHECK(model.net.step() == 7);
  model.net.end_step();
  model.net.resume_at(3);
  CHECK(model.net.step() == 3);
}

TEST_CASE("an override of a layer that is not there is refused") {
  Model<reprise::StoreAll> model(5);
  model.scheduler.override_layer(5, LayerOverride::must_save);
  CHECK_THROWS_AS(model.step(input), reprise::InvalidArgument);
}

TEST_CASE("frozen plans are played as they are, and new shapes are refused") {
  Model<ReadsStatistics> model(4, reads_statistics, {}, 1);
  model.tracker.gradients.assign(4, 1.0);
  const Tensor expected = model.step(input);
  const reprise::Program* const program = &model.net.program();
  model.scheduler.freeze();
  const std::uint64_t plans = model.scheduler.plans_made();
  const int asked = model.tracker.asked;
  for (int i = 0; i < 5; ++i) CHECK(model.step(input) == expected);
  CHECK(model.scheduler.plans_made() == plans);
  CHECK(model.tracker.asked == asked);
  CHECK(&model.net.program() == program);
  model.net.begin_step();
  const Tensor longer(5, 0.5F);
  CHECK_THROWS_AS(static_cast<void>(model.net.forward(longer)), reprise::InvalidState);
  CHECK_NOTHROW(static_cast<void>(model.net.forward(input)));
  model.scheduler.thaw();
  CHECK_NOTHROW(static_cast<void>(model.net.forward(longer)));
}

TEST_CASE("the tracker is asked, and perhaps waited for, only where a plan is due") {
  Model<ReadsStatistics> model(4, reads_statistics, {}, 3);
  model.tracker.gradients.assign(4, 1.0);
  std::vector<int> asked;
  for (int i = 0; i < 7; ++i) {
    model.step(input);
    asked.push_back(std::exchange(model.tracker.asked, 0));
  }
  CHECK(asked == std::vector<int>{1, 0, 0, 1, 0, 0, 1});
}

TEST_CASE("different objects are independent, on threads of their own") {
  constexpr std::size_t threads = 4;
  const auto train = [](std::size_t seed) {
    Model<reprise::RecomputeAll> model(
        6 + seed, {}, {.seed = seed, .verify_replay = true, .cost_model = reprise::Flops{}});
    Tensor last;
    for (int i = 0; i < 50; ++i) last = model.step(Tensor(3, 0.9F));
    return last;
  };
  std::array<Tensor, threads> got;
  std::vector<std::thread> running;
  for (std::size_t i = 0; i < threads; ++i) running.emplace_back([&, i] { got[i] = train(i); });
  for (std::thread& thread : running) thread.join();
  for (std::size_t i = 0; i < threads; ++i) CHECK(got[i] == train(i));
}

TEST_CASE("verification is no part of the report, and leaves the planned pass's gradients") {
  Model<reprise::StoreAll> model(4);
  model.scheduler.override_layer(1, LayerOverride::must_recompute);
  model.net.begin_step();
  const auto loss = [](std::span<const Tensor* const> outputs) {
    return std::vector<Tensor>{Tensor(outputs[0]->size(), 1.0F)};
  };
  model.net.verify_step(
      loss, [] {}, input);
  CHECK(model.net.report().recomputed_cost == 0);
  CHECK(model.net.report().forward_cost == 0);
  auto pass = model.net.forward(input);
  CHECK_THROWS_AS(model.net.verify_step(
                      loss, [] {}, input),
                  reprise::InvalidState);
  model.net.backward(std::move(pass), Tensor(3, 1.0F));
  CHECK(model.net.report().recomputed_cost == 3);
  model.net.end_step();
}

namespace {

/// Keeps everything, after some thought.
struct Ponders {
  std::chrono::milliseconds time{};
  [[nodiscard]] reprise::Plan operator()(const reprise::PlanRequest& request) const {
    std::this_thread::sleep_for(time);
    return reprise::StoreAll{}(request);
  }
};

}  // namespace

TEST_CASE("the report says how long planning took in this step") {
  const Ponders planner{.time = std::chrono::milliseconds(50)};
  const double seconds = std::chrono::duration<double>(planner.time).count();
  Model<Ponders> model(2, planner, {}, 2);
  for (int step = 0; step < 4; ++step) {
    CAPTURE(step);
    const auto begin = std::chrono::steady_clock::now();
    model.step(input);
    const std::chrono::duration<double> whole_step = std::chrono::steady_clock::now() - begin;
    const bool is_due = step % 2 == 0;
    if (is_due) CHECK(model.report.plan_seconds >= seconds);
    CHECK(model.report.plan_seconds <= whole_step.count());
  }
}
