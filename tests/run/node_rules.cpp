// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// What a node may ask of a pass and leave out, and what a run may not do to it.

#include <doctest/doctest.h>

#include <any>
#include <array>
#include <cmath>
#include <functional>
#include <random>
#include <reprise/reprise.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/counting_tensor.hpp"
#include "support/keep_random.hpp"

namespace {

using reprise::LayerOverride;
using reprise::NodeCosts;
using reprise::PassContext;
using reprise_test::CountingMemory;
using Tensor = reprise_test::CountingTensor;
using Graph = reprise::Graph<Tensor>;

constexpr std::size_t width = 4;

struct NoStatistics {
  [[nodiscard]] std::span<const double> statistics() const { return {}; }
  void end_step() {}
  void abandon_step() {}
};

Tensor filled(CountingMemory& memory, float value) {
  Tensor t(memory, width);
  for (std::size_t i = 0; i < width; ++i) t[i] = value + 0.1F * static_cast<float>(i);
  return t;
}

std::vector<float> numbers_of(const Tensor& t) { return {t.data(), t.data() + t.size()}; }

/// y = w x + tanh(x) in one of several temperaments; saves tanh(x) and x.
struct Layer {
  using tensor_type = Tensor;
  struct saved_type {
    Tensor tanh;
    Tensor x;
  };
  static constexpr bool can_skip_output = true;
  static constexpr bool skips_unwanted_gradients = true;

  CountingMemory* memory;
  std::function<void(const PassContext&, const char*)> hook{};
  bool frozen = false;
  bool puts_off = false;
  bool skips = true;
  std::vector<float> gradient = std::vector<float>(width);

  [[nodiscard]] bool is_frozen() const { return frozen; }

  Tensor forward(const Tensor& x, saved_type& saved, PassContext& pass) {
    if (hook) hook(pass, "forward");
    if (!(puts_off && pass.will_recompute())) save(x, saved, pass);
    if (skips && pass.may_skip_output()) return {};
    Tensor y(*memory, width);
    for (std::size_t i = 0; i < width; ++i) y[i] = 0.5F * x[i] + std::tanh(x[i]);
    return y;
  }
  void save(const Tensor& x, saved_type& saved, const PassContext& pass) const {
    saved.tanh = Tensor(*memory, width);
    for (std::size_t i = 0; i < width; ++i) saved.tanh[i] = std::tanh(x[i]);
    if (!pass.wants_parameter_gradients()) return;
    saved.x = Tensor(*memory, width);
    for (std::size_t i = 0; i < width; ++i) saved.x[i] = x[i];
  }
  Tensor backward(saved_type& saved, const Tensor& dy, PassContext& pass) {
    if (hook) hook(pass, "backward");
    for (std::size_t i = 0; i < width && pass.wants_parameter_gradients(); ++i) {
      gradient[i] += dy[i] * saved.x[i];
    }
    if (!pass.wants_input_gradient(0)) return {};
    Tensor dx(*memory, width);
    for (std::size_t i = 0; i < width; ++i) {
      dx[i] = dy[i] * (0.5F + 1.0F - saved.tanh[i] * saved.tanh[i]);
    }
    return dx;
  }
  [[nodiscard]] NodeCosts costs(const Tensor& x) const {
    return {.forward_flops = static_cast<double>(x.size())};
  }
};

/// a b, of a graph input and what layers make of it.
struct Product {
  using tensor_type = Tensor;
  static constexpr auto backward_reads = reprise::Reads::input;
  static constexpr bool skips_unwanted_gradients = true;

  CountingMemory* memory;
  std::array<bool, 2>* wanted;

  Tensor forward(const Tensor& a, const Tensor& b, PassContext&) {
    Tensor y(*memory, width);
    for (std::size_t i = 0; i < width; ++i) y[i] = a[i] * b[i];
    return y;
  }
  std::array<Tensor, 2> backward(const Tensor& a, const Tensor& b, const Tensor& dy,
                                 PassContext& pass) {
    std::array<Tensor, 2> d{};
    for (std::size_t input = 0; input < 2; ++input) {
      (*wanted)[input] = pass.wants_input_gradient(input);
      if (!(*wanted)[input]) continue;
      d[input] = Tensor(*memory, width);
      for (std::size_t i = 0; i < width; ++i) d[input][i] = dy[i] * (input == 0 ? b : a)[i];
    }
    return d;
  }
  [[nodiscard]] NodeCosts costs(const Tensor&, const Tensor&) const {
    return {.forward_flops = width};
  }
};

/// A chain of layers, each borrowed by the graph.
struct Model {
  CountingMemory memory;
  std::vector<Layer> layers;
  Graph graph;

  explicit Model(std::size_t count) : layers(count, Layer{.memory = &memory}) {
    reprise::Source at = graph.input();
    for (Layer& layer : layers) at = graph.add(std::ref(layer), at);
    graph.output(at);
  }
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  [[nodiscard]] std::vector<float> gradients() const {
    std::vector<float> all;
    for (const Layer& layer : layers) {
      all.insert(all.end(), layer.gradient.begin(), layer.gradient.end());
    }
    return all;
  }
};

/// Holds the ledger against the allocator after each action but the loss, whose gradient is the
/// engine's until then.
reprise::ActionObserver checking(CountingMemory& memory, reprise::operation_id loss) {
  return [&memory, loss, during = std::uint64_t{0}](const reprise::ActionEvent& event) mutable {
    if (event.action.kind == reprise::ActionKind::run && event.action.index == loss) return;
    const std::uint64_t outside = width * sizeof(float);
    if (event.moment == reprise::ActionEvent::Moment::before) {
      during = event.during_bytes;
      memory.peak = memory.live;
    } else {
      CHECK(memory.live - outside == event.live_bytes);
      CHECK(memory.peak - outside == std::max(during, event.live_bytes));
    }
  };
}

struct Result {
  std::vector<float> gradients;
  reprise::RunReport report;
};

/// One step; `forced` layers are recomputed, whatever the planner.
template <class P = reprise::StoreAll>
Result step(Model& model, const std::vector<std::size_t>& forced = {},
            reprise::CheckpointedOptions options = {}, P planner = {},
            reprise::ActionObserver observer = {}) {
  for (Layer& layer : model.layers) layer.gradient.assign(width, 0.0F);
  NoStatistics tracker;
  reprise::CheckpointScheduler scheduler{std::move(planner)};
  for (const std::size_t layer : forced)
    scheduler.override_layer(layer, LayerOverride::must_recompute);
  reprise::RematStore store{{.observer = std::move(observer)}};
  reprise::Checkpointed net{model.graph, tracker, scheduler, store, std::move(options)};
  const Tensor x = filled(model.memory, 0.3F);
  net.begin_step();
  auto pass = net.forward(x);
  const auto dx = net.backward(std::move(pass), filled(model.memory, 0.5F));
  Result result{.gradients = model.gradients(), .report = net.report()};
  net.end_step();
  if (dx[0].size() > 0) {
    const auto of_input = numbers_of(dx[0]);
    result.gradients.insert(result.gradients.end(), of_input.begin(), of_input.end());
  }
  return result;
}

}  // namespace

TEST_CASE("a node is told when it is profiled, runs again, and will") {
  Model model(3);
  std::vector<std::string> told;
  model.layers[1].hook = [&](const PassContext& pass, const char* call) {
    told.push_back(std::string(call) + (pass.is_profiling() ? " profiling" : "") +
                   (pass.is_recompute() ? " recompute" : "") +
                   (pass.will_recompute() ? " will" : ""));
  };
  static_cast<void>(step(model));
  CHECK(told == std::vector<std::string>{"forward profiling", "forward", "backward"});
  told.clear();
  static_cast<void>(step(model, {1}));
  CHECK(told == std::vector<std::string>{"forward profiling", "forward will", "forward recompute",
                                         "backward"});
}

TEST_CASE("a node may save nothing where its saved state will be recomputed") {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    Model model(1 + seed % 6);
    const Result expected = step(model);
    for (std::size_t i = 0; i < model.layers.size(); ++i) model.layers[i].puts_off = i % 3 != 2;
    std::mt19937 random(seed);
    const Result got =
        step(model, {}, {.verify_replay = seed % 2 == 0}, reprise_test::KeepRandom{&random});
    CHECK(got.gradients == expected.gradients);
    CHECK(model.memory.live == 0);
  }
}

TEST_CASE("a rerun for saved state alone makes no output, and the ledger counts none") {
  Model model(4);
  const Result expected = step(model);
  const auto loss = static_cast<reprise::operation_id>(model.layers.size());
  std::vector<bool> skipped;
  model.layers[1].hook = [&](const PassContext& pass, const char*) {
    skipped.push_back(pass.may_skip_output());
  };
  const Result got = step(model, {1}, {}, reprise::StoreAll{}, checking(model.memory, loss));
  CHECK(got.gradients == expected.gradients);
  CHECK(skipped == std::vector<bool>{false, false, true, false});

  model.layers[1].skips = false;
  CHECK_THROWS_WITH_AS(
      step(model, {1}),
      "node 1 declares can_skip_output and returned output 0 with 16 bytes where it was to be "
      "skipped",
      reprise::InvalidGraph);
  CHECK(model.memory.live == 0);
}

TEST_CASE("a frozen node makes no parameter gradient and may save less") {
  Model model(4);
  const Result expected = step(model);
  for (const std::size_t frozen : {0U, 2U}) model.layers[frozen].frozen = true;
  std::vector<bool> wants;
  for (const std::size_t layer : {2U, 3U}) {
    model.layers[layer].hook = [&wants](const PassContext& pass, const char*) {
      wants.push_back(pass.wants_parameter_gradients());
    };
  }
  const auto loss = static_cast<reprise::operation_id>(model.layers.size());
  const Result got = step(model, {1, 2}, {}, reprise::StoreAll{}, checking(model.memory, loss));
  // Layers 2 and 3 in the profile, in forward and in backward; 2 once more, in its rerun.
  CHECK(wants == std::vector<bool>{false, true, false, true, true, false, false});
  std::vector<float> without = expected.gradients;
  for (const std::size_t frozen : {0U, 2U}) {
    std::fill_n(without.begin() + static_cast<std::ptrdiff_t>(frozen * width), width, 0.0F);
  }
  CHECK(got.gradients == without);
  CHECK(got.report.predicted_peak_bytes < expected.report.predicted_peak_bytes);
}

TEST_CASE("backward ends where no parameter and no wanted input lies before") {
  Model model(4);
  model.layers[0].frozen = true;
  model.layers[1].frozen = true;
  std::vector<bool> input_wanted;
  int backwards_of_frozen = 0;
  model.layers[1].hook = [&](const PassContext&, const char* call) {
    backwards_of_frozen += call == std::string("backward") ? 1 : 0;
  };
  model.layers[2].hook = [&](const PassContext& pass, const char* call) {
    if (call == std::string("backward")) input_wanted.push_back(pass.wants_input_gradient(0));
  };
  const auto loss = static_cast<reprise::operation_id>(model.layers.size());
  const Result with = step(model);
  CHECK(backwards_of_frozen == 1);
  const Result without = step(model, {2}, {.input_gradients = false}, reprise::StoreAll{},
                              checking(model.memory, loss));
  CHECK(backwards_of_frozen == 1);
  CHECK(input_wanted == std::vector<bool>{true, false});
  CHECK(std::equal(without.gradients.begin(), without.gradients.end(), with.gradients.begin()));
  CHECK(without.gradients.size() + width == with.gradients.size());
}

TEST_CASE("a node is told which of its inputs want a gradient") {
  CountingMemory memory;
  std::array<bool, 2> wanted{};
  Graph graph;
  const reprise::Source x = graph.input();
  const reprise::Source y = graph.add(Layer{.memory = &memory}, x);
  graph.output(graph.add(Product{&memory, &wanted}, x, y));
  for (const bool input_gradients : {true, false}) {
    NoStatistics tracker;
    reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
    reprise::RematStore store{{.observer = checking(memory, 2)}};
    reprise::Checkpointed net{
        graph, tracker, scheduler, store, {.input_gradients = input_gradients}};
    const Tensor input = filled(memory, 0.3F);
    net.begin_step();
    auto pass = net.forward(input);
    const auto dx = net.backward(std::move(pass), filled(memory, 0.5F));
    CHECK(wanted == std::array<bool, 2>{input_gradients, true});
    CHECK((dx[0].size() > 0) == input_gradients);
    net.end_step();
  }
}

namespace {

/// Counts what its forward does beside its result; its recompute does nothing but compute.
struct Registering {
  using tensor_type = Tensor;
  static constexpr auto backward_reads = reprise::Reads::output;

  CountingMemory* memory;
  int* registered;
  int* recomputed;

  Tensor forward(const Tensor& x, PassContext& pass) {
    if (!pass.is_profiling()) ++*registered;
    return compute(x);
  }
  Tensor recompute(const Tensor& x, PassContext&) {
    ++*recomputed;
    return compute(x);
  }
  Tensor compute(const Tensor& x) const {
    Tensor y(*memory, width);
    for (std::size_t i = 0; i < width; ++i) y[i] = std::exp(-x[i]);
    return y;
  }
  Tensor backward(const Tensor& y, const Tensor& dy, PassContext&) {
    Tensor dx(*memory, width);
    for (std::size_t i = 0; i < width; ++i) dx[i] = -dy[i] * y[i];
    return dx;
  }
};

/// Moves a running mean and a state of its own; can throw where it runs again.
struct Stateful {
  using tensor_type = Tensor;
  static constexpr auto backward_reads = reprise::Reads::output;

  CountingMemory* memory;
  int* moves;
  std::uint64_t* generator;
  bool* throws_in_recompute;

  Tensor forward(const Tensor& x, PassContext& pass) {
    if (!pass.is_recompute() && !pass.is_profiling()) ++*moves;
    const float noise = static_cast<float>(*generator % 7);
    if (!pass.is_profiling()) *generator = reprise::hash_combine(*generator, 1);
    if (pass.is_recompute() && *throws_in_recompute) throw std::runtime_error("the engine's own");
    Tensor y(*memory, width);
    for (std::size_t i = 0; i < width; ++i) y[i] = std::exp(-x[i]) + noise;
    return y;
  }
  Tensor backward(const Tensor& y, const Tensor& dy, PassContext&) {
    Tensor dx(*memory, width);
    for (std::size_t i = 0; i < width; ++i) dx[i] = dy[i] * y[i];
    return dx;
  }
  [[nodiscard]] std::uint64_t capture_state() const { return *generator; }
  void restore_state(std::uint64_t state) const { *generator = state; }
};

/// Keeps nothing: everything is recomputed.
struct KeepNothing {
  reprise::Plan operator()(const reprise::PlanRequest& request) const {
    const reprise::LayerValues layers(request.program);
    reprise::CandidateSearch search(request, layers, "nothing");
    search.consider(reprise::SavedSet(request.program.values().size(), 0));
    return search.take();
  }
};

template <class P>
std::vector<float> run_steps(CountingMemory& memory, Graph& graph, P planner, int steps) {
  NoStatistics tracker;
  reprise::CheckpointScheduler scheduler{std::move(planner)};
  reprise::RematStore store;
  reprise::Checkpointed net{graph, tracker, scheduler, store, {.seed = 3, .verify_replay = true}};
  std::vector<float> all;
  for (int i = 0; i < steps; ++i) {
    const Tensor x = filled(memory, 0.3F);
    net.begin_step();
    for (int micro_batch = 0; micro_batch < 2; ++micro_batch) {
      auto pass = net.forward(x);
      const auto dx = net.backward(std::move(pass), filled(memory, 0.5F));
      const auto numbers = numbers_of(dx[0]);
      all.insert(all.end(), numbers.begin(), numbers.end());
    }
    net.end_step();
  }
  return all;
}

}  // namespace

TEST_CASE("a forward with side effects is not what a recompute calls, if there is another") {
  CountingMemory memory;
  int registered = 0;
  int recomputed = 0;
  Graph graph;
  const Registering node{&memory, &registered, &recomputed};
  graph.output(graph.add(node, graph.add(node, graph.add(node, graph.input()))));
  const auto expected = run_steps(memory, graph, reprise::StoreAll{}, 2);
  CHECK(registered == 3 * 2 * 2);
  CHECK(recomputed == 0);
  CHECK(run_steps(memory, graph, KeepNothing{}, 2) == expected);
  CHECK(registered == 2 * 3 * 2 * 2);
  CHECK(recomputed > 0);
}

TEST_CASE("running statistics move once, and the engine's own state is given back") {
  CountingMemory memory;
  int moves = 0;
  std::uint64_t generator = 5;
  bool throws = false;
  Graph graph;
  const Stateful node{&memory, &moves, &generator, &throws};
  graph.output(graph.add(node, graph.add(node, graph.add(node, graph.input()))));
  const auto expected = run_steps(memory, graph, reprise::StoreAll{}, 2);
  const std::uint64_t after = generator;
  CHECK(moves == 3 * 2 * 2);

  moves = 0;
  generator = 5;
  CHECK(run_steps(memory, graph, KeepNothing{}, 2) == expected);
  CHECK(moves == 3 * 2 * 2);
  CHECK(generator == after);

  // Thrown at the first rerun: all three forwards of one micro-batch have moved the state.
  generator = 5;
  throws = true;
  CHECK_THROWS_AS(run_steps(memory, graph, KeepNothing{}, 1), std::runtime_error);
  std::uint64_t thrice = 5;
  for (int i = 0; i < 3; ++i) thrice = reprise::hash_combine(thrice, 1);
  CHECK(generator == thrice);
  CHECK(memory.live == 0);
}

TEST_CASE("each seed, step, micro-batch and node draws its own numbers, the same in each run") {
  Model model(3);
  std::vector<double> drawn;
  for (Layer& layer : model.layers) {
    layer.hook = [&](const PassContext& pass, const char* call) {
      if (pass.is_profiling()) return;
      const double number = pass.random().uniform(0);
      const bool is_first = call == std::string("forward") && !pass.is_recompute();
      CHECK((std::ranges::find(drawn, number) == drawn.end()) == is_first);
      if (is_first) drawn.push_back(number);
    };
  }
  static_cast<void>(run_steps(model.memory, model.graph, KeepNothing{}, 3));
  CHECK(drawn.size() == 3 * 3 * 2);
}
