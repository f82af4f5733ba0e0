// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Training that was saved and loaded is training that never stopped: the same schedules, the same
// costs, the same bits.

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <reprise/program/cost/cost_model.hpp>
#include <reprise/reprise.hpp>
#include <sstream>
#include <string>
#include <vector>

namespace {

using Tensor = std::vector<float>;

/// y = w tanh(x) + dropout noise of x, for vectors of any length.
struct Layer {
  using tensor_type = Tensor;
  using saved_type = Tensor;

  Tensor weight{1.0F};
  Tensor gradient{0.0F};
  bool declares_flops = false;
  int* profiles = nullptr;

  Tensor forward(const Tensor& x, Tensor& saved, reprise::PassContext& pass) {
    if (pass.is_profiling()) ++*profiles;
    Tensor y(x.size());
    saved.resize(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      saved[i] = std::tanh(x[i]);
      y[i] = weight[0] * saved[i] * static_cast<float>(0.5 + pass.random().uniform(i));
    }
    return y;
  }
  Tensor backward(Tensor& saved, const Tensor& dy, reprise::PassContext& pass) {
    Tensor dx(dy.size());
    for (std::size_t i = 0; i < dy.size(); ++i) {
      const float d = dy[i] * static_cast<float>(0.5 + pass.random().uniform(i));
      gradient[0] += d * saved[i];
      dx[i] = d * weight[0] * (1.0F - saved[i] * saved[i]);
    }
    return dx;
  }
  [[nodiscard]] reprise::NodeCosts costs(const Tensor& x) const {
    if (!declares_flops) return {};
    return {.forward_flops = static_cast<double>(x.size())};
  }
  template <class F>
  void for_each_gradient(F&& f) {
    f(std::span<float>(gradient));
  }
};

/// Keeps what the layers above the median cost saved: its plans are as good as their costs.
struct KeepCostly {
  reprise::Plan operator()(const reprise::PlanRequest& request) const {
    const reprise::Program& program = request.program;
    std::vector<double> costs;
    for (std::size_t op = 0; op < program.loss(); ++op) {
      costs.push_back(program.operations()[op].cost);
    }
    std::vector<double> sorted = costs;
    std::ranges::sort(sorted);
    reprise::SavedSet set(program.values().size(), 0);
    for (reprise::value_id v = 0; v < set.size(); ++v) {
      const bool is_saved = program.values()[v].kind == reprise::ValueKind::saved;
      set[v] = !is_saved || costs[program.layer(v)] > sorted[sorted.size() / 2] ? 1 : 0;
    }
    const reprise::LayerValues layers(program);
    reprise::CandidateSearch search(request, layers, "costly");
    search.consider(set);
    return search.take();
  }
};

auto hysteresis() {
  return reprise::GradientThreshold{
      reprise::Hysteresis{reprise::MedianThreshold{.alpha = 1.0}, 0.3}};
}

/// What a step did, to the bit.
struct Trace {
  std::vector<reprise::Action> actions{};
  std::vector<double> costs{};
  Tensor outputs{};
  Tensor weights{};
  std::vector<double> recomputed_cost{};

  friend bool operator==(const Trace&, const Trace&) = default;
};

/// An engine in training: what a process holds.
template <class P>
class Training {
 public:
  static constexpr std::size_t layers = 9;

  Training(P planner, std::uint64_t cadence, bool declares_flops)
      : nodes_(layers, Layer{.declares_flops = declares_flops, .profiles = &profiles}),
        graph_(nodes_),
        tracker_(graph_, reprise::Ema{.beta = 0.5}),
        scheduler_(std::move(planner), reprise::ReplanEvery{.steps = cadence}),
        store_({.observer = [this](const auto& event) { note(event); }}),
        net_(graph_, tracker_, scheduler_, store_,
             {.seed = 5, .cost_model = cost_model(declares_flops)}) {}
  Training(const Training&) = delete;
  Training& operator=(const Training&) = delete;

  Trace step() {
    trace_ = {};
    for (Layer& node : nodes_) node.gradient[0] = 0;
    // Two kinds of input take turns, so that two profiles and two plans matter.
    const Tensor x(net_.step() % 3 == 2 ? 40 : 24, 0.3F + 0.01F * static_cast<float>(net_.step()));
    net_.begin_step();
    auto pass = net_.forward(x);
    trace_.outputs = pass.output();
    net_.backward(std::move(pass), Tensor(x.size(), 0.1F));
    trace_.recomputed_cost = net_.report().recomputed_cost_per_layer;
    for (const reprise::Operation& op : net_.program().operations()) {
      trace_.costs.push_back(op.cost);
    }
    net_.end_step();
    for (Layer& node : nodes_) node.weight[0] -= 0.3F * node.gradient[0];
    trace_.weights = weights();
    return trace_;
  }

  [[nodiscard]] std::string save() const {
    std::ostringstream out;
    tracker_.save(out);
    scheduler_.save(out);
    net_.save(out);
    return out.str();
  }
  void load(const std::string& bytes, const Tensor& weights) {
    std::istringstream in(bytes);
    tracker_.load(in);
    scheduler_.load(in);
    net_.load(in);
    CHECK(in.peek() == std::istringstream::traits_type::eof());
    for (std::size_t i = 0; i < layers; ++i) nodes_[i].weight[0] = weights[i];
  }
  [[nodiscard]] Tensor weights() const {
    Tensor all;
    for (const Layer& node : nodes_) all.push_back(node.weight[0]);
    return all;
  }
  [[nodiscard]] auto& net() { return net_; }
  [[nodiscard]] auto& scheduler() { return scheduler_; }

  int profiles = 0;

 private:
  using Graph = reprise::Chain<Layer>;
  using Tracker = reprise::GradientStatTracker<reprise::DefaultBackend, reprise::Ema>;
  using Scheduler = reprise::CheckpointScheduler<P>;

  // One pass of a shape is enough, and each of its calls is measured.
  [[nodiscard]] static reprise::CostModel cost_model(bool declares_flops) {
    if (declares_flops) return reprise::Flops{};
    return reprise::MeasuredTime{
        .warm_up = 0, .samples = 1, .most_share = std::numeric_limits<double>::infinity()};
  }

  void note(const reprise::ActionEvent& event) {
    if (event.moment == reprise::ActionEvent::Moment::before) {
      trace_.actions.push_back(event.action);
    }
  }

  std::vector<Layer> nodes_;
  Graph graph_;
  Tracker tracker_;
  Scheduler scheduler_;
  reprise::RematStore<> store_;
  reprise::Checkpointed<Graph, Tracker, Scheduler> net_;
  Trace trace_;
};

template <class MakePlanner>
void check_resuming(MakePlanner make_planner, bool declares_flops) {
  using P = decltype(make_planner());
  constexpr std::size_t steps = 16;
  for (const std::uint64_t cadence : {1U, 3U, 5U, 100U}) {
    Training<P> whole(make_planner(), cadence, declares_flops);
    std::vector<Trace> expected;
    std::vector<std::string> states{whole.save()};
    std::vector<Tensor> weights{whole.weights()};
    for (std::size_t i = 0; i < steps; ++i) {
      expected.push_back(whole.step());
      states.push_back(whole.save());
      weights.push_back(whole.weights());
    }
    for (const std::size_t stop : {0U, 1U, 2U, 3U, 7U, 8U, 9U, 13U}) {
      CAPTURE(cadence);
      CAPTURE(stop);
      Training<P> rest(make_planner(), cadence, declares_flops);
      rest.load(states[stop], weights[stop]);
      CHECK(rest.save() == states[stop]);
      CHECK(rest.net().step() == stop);
      for (std::size_t i = stop; i < steps; ++i) {
        // Before there is a profile, seconds are the machine's and not the state's.
        if (stop < 3 && !declares_flops) break;
        CAPTURE(i);
        REQUIRE(rest.step() == expected[i]);
      }
      if (stop >= 3) CHECK(rest.profiles == 0);
    }
  }
}

auto hysteresis_in_training() { return Training<decltype(hysteresis())>(hysteresis(), 3, true); }

}  // namespace

TEST_CASE("training resumes with the decisions of a policy that remembers") {
  check_resuming(hysteresis, true);
}

TEST_CASE("training resumes with costs in seconds as they were measured") {
  check_resuming([] { return KeepCostly{}; }, false);
  check_resuming(hysteresis, false);
}

TEST_CASE("costs in seconds are others in another process, so they must be saved") {
  Training<KeepCostly> one(KeepCostly{}, 3, false);
  Training<KeepCostly> other(KeepCostly{}, 3, false);
  CHECK(one.step().costs != other.step().costs);
  CHECK_FALSE(one.net().report().cost_is_flops);
}

TEST_CASE("plans that were frozen before the end are those of the rest") {
  auto whole = hysteresis_in_training();
  for (int i = 0; i < 4; ++i) static_cast<void>(whole.step());
  whole.scheduler().freeze();
  for (int i = 0; i < 5; ++i) static_cast<void>(whole.step());
  auto rest = hysteresis_in_training();
  rest.load(whole.save(), whole.weights());
  for (int i = 0; i < 7; ++i) CHECK(rest.step() == whole.step());
}

TEST_CASE("a step that failed is no part of the state") {
  auto whole = hysteresis_in_training();
  for (int i = 0; i < 6; ++i) static_cast<void>(whole.step());
  const Tensor weights = whole.weights();
  whole.net().begin_step();
  auto rest = hysteresis_in_training();
  rest.load(whole.save(), weights);
  for (int i = 0; i < 7; ++i) CHECK(rest.step() == whole.step());
}

TEST_CASE("run state that is truncated, damaged or of another model is refused") {
  const auto saved = [](auto& net) {
    std::ostringstream out;
    net.save(out);
    return out.str();
  };
  const auto load = [](auto& net, const std::string& bytes) {
    std::istringstream in(bytes);
    net.load(in);
  };
  auto source = hysteresis_in_training();
  for (int i = 0; i < 3; ++i) static_cast<void>(source.step());
  const std::string good = saved(source.net());
  auto target = hysteresis_in_training();
  static_cast<void>(target.step());
  const std::string before = saved(target.net());
  CHECK(before != good);
  for (std::size_t length = 0; length < good.size(); length += length < 64 ? 1 : 37) {
    REQUIRE_THROWS_AS(load(target.net(), good.substr(0, length)), reprise::CorruptState);
    REQUIRE(saved(target.net()) == before);
  }
  for (std::size_t at = 0; at < good.size(); at += at < 64 ? 1 : 37) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 4);
    REQUIRE_THROWS_AS(load(target.net(), bad), reprise::CorruptState);
    REQUIRE(saved(target.net()) == before);
  }

  int profiles = 0;
  std::vector<Layer> fewer(8, Layer{.profiles = &profiles});
  auto graph = reprise::chain(fewer);
  reprise::GradientStatTracker tracker{graph};
  reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
  reprise::RematStore other_store;
  reprise::Checkpointed other{graph, tracker, scheduler, other_store};
  CHECK_THROWS_WITH_AS(load(other, good), "run state: of another model than this one of 8 nodes",
                       reprise::CorruptState);

  const Tensor x(24, 0.5F);
  target.net().begin_step();
  {
    const auto pass = target.net().forward(x);
    CHECK_THROWS_AS(load(target.net(), good), reprise::InvalidState);
  }
  load(target.net(), good);
  CHECK(saved(target.net()) == good);
  CHECK_THROWS_AS(static_cast<void>(target.net().forward(x)), reprise::InvalidState);
}
