// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// long: REPRISE_CASES=100000

// Layer graphs under online policies: the events that the simulator foretells, the bytes that the
// allocator counts, the bits of keeping everything.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <optional>
#include <random>
#include <reprise/core/error.hpp>
#include <reprise/core/graph.hpp>
#include <reprise/eviction/dtr.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/eviction/lru.hpp>
#include <reprise/planner/run_online.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/program/bounds.hpp>
#include <reprise/program/cost/flops.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/store/remat_store.hpp>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/cases.hpp"
#include "support/random_graph.hpp"
#include "support/random_step.hpp"

namespace {

using reprise::OnlineEvent;
using reprise::OnlineRun;
using reprise_test::append;
using reprise_test::NoStatistics;
using reprise_test::RandomGraph;
using reprise_test::run_step;
using reprise_test::StepResult;
using reprise_test::Tensor;

std::vector<StepResult> keep_everything(RandomGraph& random_graph, std::uint64_t seed) {
  NoStatistics tracker;
  reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
  reprise::RematStore store;
  reprise::Checkpointed net{random_graph.graph,
                            tracker,
                            scheduler,
                            store,
                            {.seed = seed, .cost_model = reprise::Flops{}}};
  const Tensor input = random_graph.tensor(0.3);
  return {run_step(random_graph, net, input), run_step(random_graph, net, input)};
}

reprise::Program program_of(RandomGraph& random_graph) {
  Tensor input = random_graph.tensor(0.3);
  const std::array inputs{&input};
  const auto profile =
      reprise::make_profile(random_graph.graph, std::span<Tensor* const>(inputs), {});
  return reprise::lower(random_graph.graph, profile, true, reprise::Flops{}).program;
}

/// Keeps the events of a run, and the first one whose bytes are not the allocator's.
struct Watch {
  reprise_test::CountingMemory& memory;
  std::uint64_t outside;  // the graph's input, which the engine holds
  std::size_t loss;
  bool counts_missing_gradients;  // then the store may say more than there is
  std::vector<OnlineEvent> events{};
  std::uint64_t held = 0;
  std::uint64_t most = 0;
  std::string fault{};

  void begin() {
    events.clear();
    held = 0;
    most = 0;
    memory.peak = memory.live;
  }
  void operator()(const OnlineEvent& event) {
    events.push_back(event);
    const bool is_loss = event.kind == OnlineEvent::Kind::run && event.index == loss;
    most = std::max(most, memory.peak - outside);
    // The loss makes room for gradients that the engine has not made yet.
    if (!is_loss) {
      note("after", memory.live - outside, event.live_bytes);
      note("inside", memory.peak - outside, std::max(held, event.during_bytes));
    }
    held = event.live_bytes;
    memory.peak = memory.live;
  }

 private:
  void note(const char* moment, std::uint64_t counted, std::uint64_t said) {
    if (!fault.empty() || counted == said) return;
    if (counts_missing_gradients && counted < said) return;
    fault = std::string(moment) + " event " + std::to_string(events.size()) + " of kind " +
            std::to_string(static_cast<int>(events.back().kind)) + ": the store says " +
            std::to_string(said) + " bytes, the allocator " + std::to_string(counted);
  }
};

template <class Policy>
OnlineRun simulate(const reprise::Program& program, reprise::byte_count budget,
                   std::vector<OnlineEvent>& events) {
  return reprise::run_online(
      program, Policy{},
      {.budget = budget, .observer = [&](const OnlineEvent& event) { events.push_back(event); }});
}

template <class Policy>
void check_case(std::mt19937& random, std::uint64_t seed, std::array<std::size_t, 3>& counts) {
  RandomGraph random_graph(random);
  const std::vector<StepResult> expected = keep_everything(random_graph, seed);
  const reprise::Program program = program_of(random_graph);
  const reprise::byte_count highest = reprise::run_online(program, Policy{}, {}).peak_bytes;
  const reprise::byte_count budget = std::uniform_int_distribution<reprise::byte_count>(
      reprise::lower_bound_bytes(program) - 1, highest)(random);
  CAPTURE(budget);
  std::vector<OnlineEvent> foretold;
  const OnlineRun run = simulate<Policy>(program, budget, foretold);

  auto& memory = random_graph.world->memory;
  const bool misses_gradients = random_graph.is(reprise_test::Family::none);
  Watch watch{memory, random_graph.width * sizeof(double), program.loss(), misses_gradients};
  reprise::RematStore store{
      Policy{}, {.budget = budget, .observer = [&](const OnlineEvent& event) { watch(event); }}};
  reprise::Checkpointed net{
      random_graph.graph,
      store,
      {.seed = seed, .verify_replay = seed % 3 == 0, .cost_model = reprise::Flops{}}};
  const Tensor input = random_graph.tensor(0.3);
  for (std::size_t step = 0; step < 2; ++step) {
    watch.begin();
    if (run.result == OnlineRun::Result::pass) {
      REQUIRE(run_step(random_graph, net, input) == expected[step]);
      REQUIRE(net.report().peak_bytes == run.peak_bytes);
      REQUIRE(net.report().recomputed_cost == run.recomputed_cost);
      REQUIRE(net.report().evictions == run.evictions);
      // The first forward measured before it ran, which is no part of the program.
      if (step == 1) {
        const reprise::byte_count most = std::max(watch.most, memory.peak - watch.outside);
        REQUIRE((misses_gradients ? most <= run.peak_bytes : most == run.peak_bytes));
      }
    } else {
      REQUIRE_THROWS_AS(run_step(random_graph, net, input), reprise::BudgetExceeded);
    }
    REQUIRE(watch.events == foretold);
    if (step == 1) REQUIRE_MESSAGE(watch.fault.empty(), watch.fault);
    watch.fault.clear();
    REQUIRE(net.live_bytes() == 0);
    REQUIRE(memory.live == watch.outside);
  }
  ++counts[0];
  if (run.result != OnlineRun::Result::pass) ++counts[1];
  if (run.result == OnlineRun::Result::pass && run.recomputed_cost > 0) ++counts[2];
}

}  // namespace

TEST_CASE_TEMPLATE("a run has the simulator's events, the allocator's bytes and store-all's bits",
                   Policy, reprise::Dtr, reprise::DtrEqClass, reprise::Lru) {
  const std::size_t cases = reprise_test::cases(500);
  std::array<std::size_t, 3> counts{};
  for (std::uint64_t seed = 0; seed < cases; ++seed) {
    CAPTURE(seed);
    std::mt19937 random(static_cast<std::uint32_t>(seed));
    check_case<Policy>(random, seed, counts);
  }
  MESSAGE(counts[0], " graphs: ", counts[1], " did not fit, ", counts[2], " recomputed");
  CHECK(counts[1] >= cases / 20);
  CHECK(counts[2] >= cases / 5);
}

namespace {

struct Trace {
  std::vector<StepResult> steps;
  bool has_failed = false;
};

/// Trains a random graph under a tight budget; in the second step the event with this number fails,
/// and the step is tried again.
Trace train_with_fault(std::uint32_t seed, bool of_allocation,
                       std::optional<std::uint64_t> number) {
  std::mt19937 random(seed);
  RandomGraph random_graph(random);
  auto& world = *random_graph.world;
  const reprise::Program program = program_of(random_graph);
  reprise::byte_count budget = reprise::lower_bound_bytes(program);
  while (reprise::run_online(program, reprise::Dtr{}, {.budget = budget}).result !=
         OnlineRun::Result::pass) {
    ++budget;
  }
  reprise::RematStore store{reprise::Dtr{}, {.budget = budget}};
  reprise::Checkpointed net{
      random_graph.graph, store, {.seed = seed, .cost_model = reprise::Flops{}}};
  const Tensor input = random_graph.tensor(0.3);
  const std::uint64_t outside = world.memory.live;
  Trace trace;
  trace.steps.push_back(run_step(random_graph, net, input));
  world.calls = 0;
  if (of_allocation && number) world.memory.fails_at = world.memory.allocations + *number;
  if (!of_allocation) world.throws_at = number;
  try {
    trace.steps.push_back(run_step(random_graph, net, input));
  } catch (const std::exception&) {
    trace.has_failed = true;
    world.memory.fails_at.reset();
    world.throws_at.reset();
    REQUIRE(world.memory.live == outside);
    REQUIRE(net.live_bytes() == 0);
    REQUIRE(net.step() == 1);
    trace.steps.push_back(run_step(random_graph, net, input));
  }
  return trace;
}

}  // namespace

TEST_CASE("whatever fails, nothing is left and the step can be tried again") {
  for (std::uint32_t seed = 0; seed < 12; ++seed) {
    CAPTURE(seed);
    const Trace expected = train_with_fault(seed, true, std::nullopt);
    for (const bool of_allocation : {true, false}) {
      CAPTURE(of_allocation);
      std::uint64_t number = 0;
      for (bool fails = true; fails; ++number) {
        CAPTURE(number);
        const Trace trace = train_with_fault(seed, of_allocation, number);
        REQUIRE(trace.steps == expected.steps);
        fails = trace.has_failed;
      }
      CHECK(number > 3);
    }
  }
}

TEST_CASE("calls out of order are refused") {
  std::mt19937 random(3);
  RandomGraph random_graph(random);
  reprise::RematStore store{reprise::DtrEqClass{}};
  reprise::Checkpointed net{random_graph.graph, store, {.cost_model = reprise::Flops{}}};
  const Tensor input = random_graph.tensor(0.3);
  CHECK_THROWS_AS(static_cast<void>(net.forward(input)), reprise::InvalidState);
  CHECK_THROWS_AS(net.end_step(), reprise::InvalidState);
  CHECK_THROWS_AS(static_cast<void>(net.program()), reprise::InvalidState);
  net.begin_step();
  CHECK_THROWS_AS(static_cast<void>(net.forward()), reprise::InvalidArgument);
  {
    auto pass = net.forward(input);
    CHECK_THROWS_AS(static_cast<void>(pass.output(9)), reprise::InvalidArgument);
    CHECK_THROWS_AS(static_cast<void>(net.forward(input)), reprise::InvalidState);
    CHECK_THROWS_AS(net.end_step(), reprise::InvalidState);
    CHECK(net.live_bytes() > 0);
    reprise::RematStore other_store{reprise::DtrEqClass{}};
    reprise::Checkpointed other{random_graph.graph, other_store, {.cost_model = reprise::Flops{}}};
    CHECK_THROWS_AS(run_backward(random_graph, other, std::move(pass)), reprise::InvalidArgument);
  }
  CHECK(net.live_bytes() == 0);
  auto pass = net.forward(input);
  CHECK_THROWS_AS(net.backward(std::move(pass)), reprise::InvalidArgument);
  CHECK(net.live_bytes() == 0);
  CHECK_THROWS_AS(net.backward(std::move(pass)), reprise::InvalidState);
  net.end_step();
}

TEST_CASE("several passes in flight share one budget and give the gradients of one after another") {
  std::mt19937 random(5);
  RandomGraph random_graph(random);
  const auto train = [&](std::size_t in_flight) {
    reprise::RematStore store{reprise::Dtr{}};
    reprise::Checkpointed net{
        random_graph.graph,
        store,
        {.seed = 3, .passes_in_flight = in_flight, .cost_model = reprise::Flops{}}};
    const Tensor input = random_graph.tensor(0.3);
    random_graph.zero_gradients();
    net.begin_step();
    for (std::size_t done = 0; done < 4; done += in_flight) {
      std::vector<decltype(net.forward(input))> passes;
      for (std::size_t i = 0; i < in_flight; ++i) passes.push_back(net.forward(input));
      for (auto& pass : passes) {
        static_cast<void>(run_backward(random_graph, net, std::move(pass)));
      }
    }
    net.end_step();
    return std::pair{random_graph.gradients(), net.report()};
  };
  const auto [gradients, alone] = train(1);
  const auto [same, together] = train(2);
  CHECK(gradients == same);
  CHECK(alone.passes == 4);
  CHECK(together.peak_bytes > alone.peak_bytes);
}

TEST_CASE("a whole step is compared with one that keeps everything, inference keeps nothing") {
  std::mt19937 random(8);
  RandomGraph random_graph(random);
  const reprise::byte_count budget = program_of(random_graph).values().size() * 1000;
  reprise::RematStore store{reprise::DtrEqClass{}, {.budget = budget}};
  reprise::Checkpointed net{random_graph.graph, store, {.seed = 4, .cost_model = reprise::Flops{}}};
  const Tensor input = random_graph.tensor(0.3);
  const std::uint64_t outside = random_graph.world->memory.live;
  net.begin_step();
  random_graph.zero_gradients();
  net.verify_step(
      [&](std::span<const Tensor* const> outputs) {
        std::vector<Tensor> gradients;
        for (std::size_t i = 0; i < outputs.size(); ++i) {
          gradients.push_back(reprise_test::output_gradient(random_graph, i));
        }
        return gradients;
      },
      [&] { random_graph.zero_gradients(); }, input);
  CHECK(net.report().passes == 0);
  CHECK(net.infer(input).size() == random_graph.graph.outputs().size());
  CHECK(random_graph.world->memory.live == outside);
}

namespace {

/// y = exp(-x) + the engine's own random number; keeps y's square in itself until it is released.
struct Stateful {
  using tensor_type = Tensor;
  static constexpr auto backward_reads = reprise::Reads::output;

  reprise_test::World* world;
  std::uint64_t* generator;
  int* releases;
  Tensor square{};

  Tensor forward(const Tensor& x, reprise::PassContext& pass) {
    const auto noise = static_cast<double>(*generator % 7);
    if (!pass.is_profiling()) *generator = reprise::hash_combine(*generator, 1);
    Tensor y(world->memory, x.size());
    square = Tensor(world->memory, x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      y[i] = std::exp(-x[i]) + noise;
      square[i] = y[i] * y[i];
    }
    return y;
  }
  Tensor backward(const Tensor& y, const Tensor& dy, reprise::PassContext&) {
    Tensor dx(world->memory, y.size());
    for (std::size_t i = 0; i < y.size(); ++i) dx[i] = dy[i] * (y[i] - square[i]);
    return dx;
  }
  [[nodiscard]] std::uint64_t capture_state() const { return *generator; }
  void restore_state(std::uint64_t state) const { *generator = state; }
  [[nodiscard]] std::uint64_t resident_bytes() const { return square.size() * sizeof(double); }
  void release_resident() {
    *releases += square.size() > 0 ? 1 : 0;
    square = Tensor();
  }
};

struct StatefulRun {
  std::vector<double> numbers;
  std::uint64_t generator;
  int releases;
  reprise::RunReport report;
};

StatefulRun train_stateful(reprise::byte_count budget) {
  reprise_test::World world;
  std::uint64_t generator = 5;
  int releases = 0;
  reprise::Graph<Tensor> graph;
  reprise::Source at = graph.input();
  for (int i = 0; i < 6; ++i) at = graph.add(Stateful{&world, &generator, &releases}, at);
  graph.output(at);
  reprise::RematStore store{reprise::DtrEqClass{}, {.budget = budget}};
  reprise::Checkpointed net{graph, store};
  const Tensor input(world.memory, 4);
  StatefulRun run{};
  net.begin_step();
  for (int i = 0; i < 2; ++i) {
    auto pass = net.forward(input);
    append(run.numbers, pass.output());
    append(run.numbers, net.backward(std::move(pass), Tensor(input))[0]);
  }
  net.end_step();
  {  // A pass that is cancelled releases what its nodes keep.
    net.begin_step();
    const auto cancelled = net.forward(input);
  }
  CHECK(world.memory.live == 4 * sizeof(double));
  run.generator = generator;
  run.releases = releases;
  run.report = net.report();
  return run;
}

}  // namespace

TEST_CASE("the engine's own state is given back, and what nodes keep in themselves released") {
  const StatefulRun all = train_stateful(reprise::unlimited_bytes);
  const StatefulRun some = train_stateful(10 * 4 * sizeof(double));
  CHECK(some.numbers == all.numbers);
  CHECK(some.generator == all.generator);
  CHECK(some.releases > all.releases);
}

TEST_CASE("state that was saved brings back the step and the profiles, costs in seconds included") {
  reprise_test::World world;
  std::uint64_t generator = 5;
  int releases = 0;
  const auto make = [&] {
    reprise::Graph<Tensor> graph;
    graph.output(graph.add(Stateful{&world, &generator, &releases}, graph.input()));
    return graph;
  };
  const Tensor input(world.memory, 4);
  const auto pass_over = [&](auto& net) {
    net.begin_step();
    static_cast<void>(net.backward(net.forward(input), Tensor(world.memory, 4)));
    net.end_step();
  };
  auto graph = make();
  reprise::RematStore store{reprise::DtrEqClass{}};
  reprise::Checkpointed net{graph, store};
  pass_over(net);
  std::stringstream state;
  net.save(state);
  auto again = make();
  reprise::RematStore resumed_store{reprise::DtrEqClass{}};
  reprise::Checkpointed resumed{again, resumed_store};
  resumed.load(state);
  CHECK(resumed.step() == 1);
  pass_over(resumed);
  CHECK(resumed.program().fingerprint() == net.program().fingerprint());
  CHECK(resumed.program().operations()[0].cost == net.program().operations()[0].cost);
}

TEST_CASE("an observer's exception ends the pass, whatever event it was called with") {
  std::mt19937 random(11);
  RandomGraph random_graph(random);
  const StepResult expected = keep_everything(random_graph, 0)[0];
  const reprise::byte_count highest =
      reprise::run_online(program_of(random_graph), reprise::DtrEqClass{}, {}).peak_bytes;
  const Tensor input = random_graph.tensor(0.3);
  std::size_t events = 0;
  std::size_t fails_at = 0;  // counted from 1: never
  reprise::RematStore store{reprise::DtrEqClass{},
                            {.budget = highest * 9 / 10, .observer = [&](const OnlineEvent&) {
                               if (++events == fails_at) throw std::runtime_error("disk full");
                             }}};
  reprise::Checkpointed net{random_graph.graph, store, {.cost_model = reprise::Flops{}}};
  REQUIRE(run_step(random_graph, net, input) == expected);
  const std::size_t all = events;
  REQUIRE(all > 20);
  for (fails_at = 1; fails_at <= all; ++fails_at) {
    CAPTURE(fails_at);
    events = 0;
    net.resume_at(0);
    CHECK_THROWS_WITH_AS(run_step(random_graph, net, input), "disk full", std::runtime_error);
    CHECK(store.live_bytes() == 0);
    const std::size_t last = std::exchange(fails_at, 0);
    net.begin_step();
    net.end_step();
    net.resume_at(0);
    CHECK(run_step(random_graph, net, input) == expected);
    fails_at = last;
  }
}
