// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// Costs in seconds that passes are measured by, on a clock that is played: a device that finishes
// late, a rerun with a price of its own, and what a training does when costs settle.

#include "reprise/program/cost/measured_time.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/core/graph.hpp>
#include <reprise/planner/gradient_threshold.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/program/cost/cost_model.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/store/remat_store.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using reprise::MeasuredTime;
using reprise::OperationKind;
using Tensor = std::vector<float>;

/// A machine whose time passes only as its nodes say.
struct Machine {
  double now = 0;
  std::vector<double> marks{};
  std::size_t lag = 0;  ///< marks that the device is behind the host
  std::size_t answers = 0;
  bool is_finished = true;
  double noise = 0;  ///< added to every second call
  std::size_t calls = 0;
  bool fails = false;
  std::size_t marks_left = std::numeric_limits<std::size_t>::max();
};

struct PlayedClock {
  std::shared_ptr<Machine> machine;

  [[nodiscard]] std::uint64_t mark() {
    if (machine->marks_left == 0) throw std::logic_error("no mark");
    --machine->marks_left;
    machine->marks.push_back(machine->now);
    machine->is_finished = false;
    return machine->marks.size() - 1;
  }
  [[nodiscard]] std::optional<double> seconds_between(std::uint64_t begin, std::uint64_t end) {
    if (!machine->is_finished && end + machine->lag >= machine->marks.size()) return std::nullopt;
    ++machine->answers;
    return machine->marks[end] - machine->marks[begin];
  }
  void finish() { machine->is_finished = true; }
};

static_assert(reprise::OperationClock<PlayedClock>);

/// y = x² in so many seconds.
struct Square {
  using tensor_type = Tensor;
  using saved_type = Tensor;
  std::shared_ptr<Machine> machine;
  double seconds = 1;
  double rerun = 1;  ///< times as long
  std::optional<double> declared{};
  double flops = 1;

  Tensor forward(const Tensor& x, Tensor& saved, reprise::PassContext& pass) {
    machine->now += seconds * (pass.is_recompute() ? rerun : 1);
    if (machine->fails) throw std::runtime_error("no such kernel");
    if (++machine->calls % 2 == 0) machine->now += machine->noise;
    saved = x;
    Tensor y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] * x[i];
    return y;
  }
  Tensor backward(Tensor& saved, const Tensor& dy, reprise::PassContext& /*pass*/) {
    machine->now += 3 * seconds;
    Tensor dx(dy.size());
    for (std::size_t i = 0; i < dy.size(); ++i) dx[i] = 2.0F * saved[i] * dy[i];
    return dx;
  }
  [[nodiscard]] reprise::NodeCosts costs(const Tensor& x) const {
    return {.forward_flops = flops * static_cast<double>(x.size()), .forward_seconds = declared};
  }
  void for_each_gradient(auto&& /*f*/) const {}  // it has no parameters
};

/// The same, of another type.
struct OtherSquare : Square {};

/// At its second plan it has no more to say.
struct OncePlanner {
  static constexpr bool ignores_statistics = true;
  int* plans;
  reprise::Plan operator()(const reprise::PlanRequest& request) const {
    if (++*plans == 2) {
      throw reprise::BudgetInfeasible("nothing fits these costs", request.budget, 0, 0);
    }
    return reprise::StoreAll{}(request);
  }
};

constexpr double all_calls = std::numeric_limits<double>::infinity();

template <class P>
struct Training {
  std::shared_ptr<Machine> machine;
  reprise::Graph<Tensor> graph;
  reprise::CheckpointScheduler<P> scheduler;
  reprise::RematStore<> store;
  reprise::Checkpointed<reprise::Graph<Tensor>, reprise::NoTracker, reprise::CheckpointScheduler<P>>
      net;

  Training(P planner, const std::vector<double>& seconds, MeasuredTime options, double rerun = 1)
      : Training(std::move(planner), std::make_shared<Machine>(), seconds, std::move(options),
                 rerun) {}
  Training(P planner, std::shared_ptr<Machine> played, reprise::Graph<Tensor> built,
           MeasuredTime options)
      : machine(std::move(played)),
        graph(std::move(built)),
        scheduler(std::move(planner)),
        net(graph, scheduler, store, {.cost_model = on(machine, std::move(options))}) {}
  Training(const Training&) = delete;
  Training& operator=(const Training&) = delete;

  static reprise::CostModel on(const std::shared_ptr<Machine>& machine, MeasuredTime options) {
    options.clock = reprise::AnyOperationClock(PlayedClock{machine});
    return options;
  }

  static reprise::Graph<Tensor> graph_of(const std::shared_ptr<Machine>& machine,
                                         const std::vector<double>& seconds, double rerun) {
    reprise::Graph<Tensor> graph;
    reprise::Source at = graph.input();
    for (const double each : seconds) {
      at = graph.add(Square{.machine = machine, .seconds = each, .rerun = rerun}, at);
    }
    graph.output(at);
    return graph;
  }

  Training(P planner, const std::shared_ptr<Machine>& played, const std::vector<double>& seconds,
           MeasuredTime options, double rerun)
      : Training(std::move(planner), played, graph_of(played, seconds, rerun), std::move(options)) {
  }

  Tensor step(std::size_t elements = 8) {
    const Tensor x(elements, 0.9F);
    net.begin_step();
    auto pass = net.forward(x);
    Tensor dx = std::move(net.backward(std::move(pass), Tensor(elements, 1.0F))[0]);
    net.end_step();
    return dx;
  }

  [[nodiscard]] std::vector<double> costs(OperationKind kind = OperationKind::forward) const {
    std::vector<double> all;
    for (const reprise::Operation& op : net.program().operations()) {
      if (op.kind == kind) all.push_back(op.cost);
    }
    return all;
  }

  [[nodiscard]] std::string save() const {
    std::ostringstream out;
    scheduler.save(out);
    net.save(out);
    return out.str();
  }
  [[nodiscard]] std::string save_net() const {
    std::ostringstream out;
    net.save(out);
    return out.str();
  }
  void load(const std::string& bytes) {
    std::istringstream in(bytes);
    scheduler.load(in);
    net.load(in);
  }
};

}  // namespace

TEST_CASE("the forward that measures bytes gives a first estimate, and medians settle it") {
  Training net(reprise::StoreAll{}, {4}, {.warm_up = 1, .samples = 3, .most_share = all_calls});
  net.machine->noise = 100;
  for (int step = 0; step < 4; ++step) {
    net.step();
    CHECK(net.costs() == std::vector<double>{4});
    CHECK(net.costs(OperationKind::backward) == std::vector<double>{8});
    CHECK(net.scheduler.plans_made() == 1);
    net.machine->calls = 0;  // the next forward is a quiet one
  }
  net.step();
  CHECK(net.costs(OperationKind::backward) == std::vector<double>{12});
  CHECK(net.net.report().store_all_cost == 16);
  CHECK(net.scheduler.plans_made() == 2);
  const std::size_t marks = net.machine->marks.size();
  for (int step = 0; step < 5; ++step) net.step();
  CHECK(net.scheduler.plans_made() == 2);
  CHECK(net.machine->marks.size() == marks);  // nothing is measured any more
}

TEST_CASE("one sample that is far off decides nothing") {
  Training net(reprise::StoreAll{}, {4}, {.warm_up = 0, .samples = 5, .most_share = all_calls});
  net.step();
  for (int step = 0; step < 5; ++step) {
    net.machine->calls = 0;
    net.machine->noise = 0;
    if (step == 2) {
      net.machine->calls = 1;
      net.machine->noise = 1000;
    }
    net.step();
  }
  CHECK(net.costs() == std::vector<double>{4});
  CHECK(net.scheduler.plans_made() == 2);
}

TEST_CASE("equal nodes share their samples, nodes of another type, shape or cost do not") {
  auto machine = std::make_shared<Machine>();
  reprise::Graph<Tensor> graph;
  reprise::Source at = graph.input();
  at = graph.add(Square{.machine = machine, .seconds = 2}, at);
  at = graph.add(Square{.machine = machine, .seconds = 4}, at);
  at = graph.add(Square{.machine = machine, .seconds = 6}, at);
  at = graph.add(OtherSquare{{.machine = machine, .seconds = 32}}, at);
  at = graph.add(Square{.machine = machine, .seconds = 64, .declared = 5.0}, at);
  graph.output(at);
  Training net(reprise::StoreAll{}, machine, std::move(graph),
               {.warm_up = 0, .samples = 3, .most_share = all_calls});
  for (int step = 0; step < 5; ++step) net.step();
  CHECK(net.costs() == std::vector<double>{4, 4, 4, 32, 5});
}

TEST_CASE("recomputation has a price of its own") {
  // Every layer but the last is recomputed.
  Training net(reprise::RecomputeAll{}, {1, 2, 4},
               {.warm_up = 1, .samples = 2, .most_share = all_calls}, 1.5);
  for (int step = 0; step < 2; ++step) net.step();
  CHECK(net.costs() == std::vector<double>{1, 2, 4});
  net.step();
  // One kind: all are squares of one shape.
  const std::vector<double> costs = net.costs();
  CHECK(costs[0] == costs[1]);
  CHECK(costs[0] > 1);
  net.step();
  const double forwards = net.net.report().store_all_cost;
  CHECK(net.net.report().recomputed_cost > 0);
  CHECK(forwards > 0);
}

TEST_CASE("what was never recomputed is as much dearer as what was") {
  auto machine = std::make_shared<Machine>();
  reprise::Graph<Tensor> graph;
  reprise::Source at = graph.input();
  at = graph.add(Square{.machine = machine, .seconds = 8, .rerun = 2}, at);
  at = graph.add(OtherSquare{{.machine = machine, .seconds = 3}}, at);
  graph.output(at);
  Training net(reprise::StoreAll{}, machine, std::move(graph),
               {.warm_up = 0, .samples = 1, .most_share = all_calls});
  net.scheduler.override_layer(0, reprise::LayerOverride::must_recompute);
  net.scheduler.override_layer(1, reprise::LayerOverride::must_save);
  for (int step = 0; step < 2; ++step) net.step();
  REQUIRE(net.net.report().recomputed_cost > 0);
  CHECK(net.costs() == std::vector<double>{16, 6});
}

TEST_CASE("a device that finishes late is measured by its own clock, and nobody waits") {
  Training net(reprise::StoreAll{}, {4, 4}, {.warm_up = 0, .samples = 2, .most_share = all_calls});
  net.machine->lag = 1000;
  net.step();  // the measuring forward alone waits
  CHECK(net.costs() == std::vector<double>{4, 4});
  for (int step = 0; step < 20; ++step) net.step();
  CHECK(net.scheduler.plans_made() == 1);  // nothing was over
  net.machine->lag = 10;
  for (int step = 0; step < 4; ++step) net.step();
  CHECK(net.scheduler.plans_made() == 2);
  CHECK(net.costs(OperationKind::backward) == std::vector<double>{12, 12});
}

TEST_CASE("costs outlive a shape that was forgotten, and other objects that load the state") {
  const MeasuredTime options{.warm_up = 0, .samples = 2, .most_share = all_calls};
  Training net(reprise::StoreAll{}, {4}, options);
  for (int step = 0; step < 4; ++step) net.step();
  CHECK(net.costs(OperationKind::backward) == std::vector<double>{12});
  CHECK(net.net.forget_shapes(Tensor(8)));
  const std::size_t marks = net.machine->marks.size();
  net.step();
  CHECK(net.costs(OperationKind::backward) == std::vector<double>{12});
  CHECK(net.machine->marks.size() == marks + 2);  // of the measuring forward

  Training other(reprise::StoreAll{}, {4}, options);
  other.load(net.save());
  CHECK(other.save() == net.save());
  other.machine->now = 5;
  other.step();
  CHECK(other.costs(OperationKind::backward) == std::vector<double>{12});
  CHECK(other.machine->marks.empty());
}

TEST_CASE("unfinished samples are saved, and the rest decides as the whole would have") {
  const MeasuredTime options{.warm_up = 1, .samples = 4, .most_share = all_calls};
  for (std::size_t stop = 0; stop < 8; ++stop) {
    CAPTURE(stop);
    Training whole(reprise::StoreAll{}, {4, 2}, options);
    for (std::size_t step = 0; step < stop; ++step) whole.step();
    Training rest(reprise::StoreAll{}, {4, 2}, options);
    rest.load(whole.save());
    CHECK(rest.save() == whole.save());
    for (std::size_t step = stop; step < 9; ++step) {
      whole.step();
      rest.step();
      CHECK(rest.costs() == whole.costs());
      CHECK(rest.costs(OperationKind::backward) == whole.costs(OperationKind::backward));
      CHECK(rest.save_net() == whole.save_net());
    }
  }
}

TEST_CASE("measuring takes its share of a pass, and the rest comes in later ones") {
  // Reading the clock takes far more of the host than these nodes are said to take.
  const std::vector<double> seconds(50, 1e-9);
  Training net(reprise::StoreAll{}, seconds, {.warm_up = 0, .samples = 1, .most_share = 1e-3});
  net.step();
  const std::size_t first = net.machine->marks.size();
  net.step();
  CHECK(net.machine->marks.size() - first <= 24);
  for (int step = 0; step < 400 && net.scheduler.plans_made() == 1; ++step) net.step();
  CHECK(net.scheduler.plans_made() == 2);
}

TEST_CASE("a graph of more kinds than are to be remembered settles all the same") {
  // Nodes of another cost each are of another kind each.
  auto machine = std::make_shared<Machine>();
  reprise::Graph<Tensor> graph;
  reprise::Source at = graph.input();
  for (int i = 0; i < 20; ++i) {
    at = graph.add(Square{.machine = machine, .seconds = 1.0 + i, .flops = 1.0 + i}, at);
  }
  graph.output(at);
  Training net(reprise::StoreAll{}, machine, std::move(graph),
               {.warm_up = 0, .samples = 2, .max_kinds = 4, .most_share = all_calls});
  for (int step = 0; step < 3; ++step) net.step();
  CHECK(net.scheduler.plans_made() == 2);
  CHECK(net.net.program().operations()[25].cost == 3 * 16);
}

TEST_CASE("a call that throws is no sample") {
  Training net(reprise::StoreAll{}, {4}, {.warm_up = 0, .samples = 2, .most_share = all_calls});
  net.step();
  net.machine->fails = true;
  net.net.begin_step();
  const Tensor x(8, 0.9F);
  CHECK_THROWS_AS(static_cast<void>(net.net.forward(x)), std::runtime_error);
  net.machine->fails = false;
  net.step();
  CHECK(net.scheduler.plans_made() == 1);
  net.step();
  CHECK(net.scheduler.plans_made() == 2);
  CHECK(net.costs(OperationKind::backward) == std::vector<double>{12});
}

TEST_CASE("shapes that come in turn settle too") {
  const std::vector<double> seconds(2, 1e-9);
  Training net(reprise::StoreAll{}, seconds, {.warm_up = 0, .samples = 1, .most_share = 1e-3});
  for (int step = 0; step < 200; ++step) net.step(step % 2 == 0 ? 8 : 16);
  CHECK(net.scheduler.plans_made() == 4);
}

TEST_CASE("costs change at the beginning of a step only") {
  Training net(reprise::StoreAll{}, {4}, {.warm_up = 0, .samples = 1, .most_share = all_calls});
  const Tensor x(8, 0.9F);
  net.net.begin_step();
  for (int micro_batch = 0; micro_batch < 5; ++micro_batch) {
    auto pass = net.net.forward(x);
    net.net.backward(std::move(pass), Tensor(8, 1.0F));
    CHECK(net.costs(OperationKind::backward) == std::vector<double>{8});
  }
  net.net.end_step();
  net.step();
  CHECK(net.costs(OperationKind::backward) == std::vector<double>{12});
}

TEST_CASE("plans that are frozen keep their costs") {
  Training net(reprise::StoreAll{}, {4}, {.warm_up = 0, .samples = 1, .most_share = all_calls});
  net.step();
  net.scheduler.freeze();
  for (int step = 0; step < 3; ++step) net.step();
  CHECK(net.costs(OperationKind::backward) == std::vector<double>{8});
  net.scheduler.thaw();
  net.step();
  CHECK(net.costs(OperationKind::backward) == std::vector<double>{12});
}

TEST_CASE("a backward that was never seen is waited for") {
  Training net(reprise::StoreAll{}, {4}, {.warm_up = 0, .samples = 2, .most_share = all_calls});
  const Tensor x(8, 0.9F);
  for (int step = 0; step < 4; ++step) {
    net.net.begin_step();
    static_cast<void>(net.net.forward(x));
    net.net.end_step();
  }
  for (int step = 0; step < 3; ++step) net.step();
  CHECK(net.costs(OperationKind::backward) == std::vector<double>{12});
}

TEST_CASE("a state that was saved under another cost model is measured") {
  auto machine = std::make_shared<Machine>();
  auto graph = Training<reprise::StoreAll>::graph_of(machine, {4}, 1);
  reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
  reprise::RematStore store;
  reprise::Checkpointed flops{graph, scheduler, store, {.cost_model = reprise::Flops{}}};
  flops.begin_step();
  const Tensor x(8, 0.9F);
  auto pass = flops.forward(x);
  flops.backward(std::move(pass), Tensor(8, 1.0F));
  flops.end_step();
  std::ostringstream out;
  scheduler.save(out);
  flops.save(out);
  Training net(reprise::StoreAll{}, {4}, {.warm_up = 0, .samples = 1, .most_share = all_calls});
  net.load(out.str());
  for (int step = 0; step < 3; ++step) net.step();
  CHECK(net.costs(OperationKind::backward) == std::vector<double>{12});

  auto again = Training<reprise::StoreAll>::graph_of(machine, {4}, 1);
  reprise::RematStore other_store;
  reprise::Checkpointed roofline{
      again, scheduler, other_store, {.cost_model = reprise::Roofline{.flops_per_second = 1}}};
  std::istringstream in(out.str());
  scheduler.load(in);
  roofline.load(in);
  roofline.begin_step();
  auto other = roofline.forward(x);
  roofline.backward(std::move(other), Tensor(8, 1.0F));
  CHECK(roofline.program().operations()[0].cost == 8);  // at the rate that was given
}

TEST_CASE("an engine's exception comes out as it is, whatever the clock does") {
  Training net(reprise::StoreAll{}, {4}, {.warm_up = 0, .samples = 1, .most_share = all_calls});
  net.step();
  net.machine->fails = true;
  net.machine->marks_left = 1;
  net.net.begin_step();
  const Tensor x(8, 0.9F);
  CHECK_THROWS_WITH_AS(static_cast<void>(net.net.forward(x)), "no such kernel", std::runtime_error);
  net.machine->fails = false;
  net.machine->marks_left = 1000;
  net.step();
  net.step();
  CHECK(net.costs(OperationKind::backward) == std::vector<double>{12});
}

TEST_CASE("a share that is none is refused") {
  for (const double share : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN()}) {
    CHECK_THROWS_AS((Training(reprise::StoreAll{}, {1}, {.most_share = share})),
                    reprise::InvalidArgument);
  }
}

TEST_CASE("costs that settle never end a training that a budget let begin") {
  int plans = 0;
  Training net(OncePlanner{&plans}, {4}, {.warm_up = 0, .samples = 1, .most_share = all_calls});
  net.step();
  net.step();
  CHECK(plans == 3);
  CHECK(net.costs(OperationKind::backward) == std::vector<double>{8});  // as before
  for (int step = 0; step < 3; ++step) net.step();
  CHECK(plans == 3);
}

TEST_CASE("a roofline is calibrated once, and its rates are part of the state") {
  auto machine = std::make_shared<Machine>();
  const auto make = [&] { return Training<reprise::StoreAll>::graph_of(machine, {4, 2}, 1); };
  const auto run = [](auto& net, std::size_t elements) {
    net.begin_step();
    const Tensor x(elements, 0.9F);
    auto pass = net.forward(x);
    net.backward(std::move(pass), Tensor(elements, 1.0F));
    net.end_step();
    return net.program().operations()[0].cost;
  };
  auto graph = make();
  reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
  reprise::RematStore store;
  reprise::Checkpointed net{graph, scheduler, store, {.cost_model = reprise::Roofline{}}};
  const double small = run(net, 8);
  const double large = run(net, 80);
  CHECK(small > 0);
  CHECK(large == doctest::Approx(10 * small));
  std::ostringstream out;
  net.save(out);
  auto again = make();
  reprise::RematStore other_store;
  reprise::Checkpointed resumed{again, scheduler, other_store, {.cost_model = reprise::Roofline{}}};
  std::istringstream in(out.str());
  resumed.load(in);
  CHECK(run(resumed, 800) == doctest::Approx(100 * small));
  CHECK(run(resumed, 8) == small);
}
