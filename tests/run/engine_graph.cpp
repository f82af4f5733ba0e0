// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// An engine brings its own graph class: C-style kernels with out-parameters that add into the
// gradients they are given.

#include <doctest/doctest.h>

#include <any>
#include <array>
#include <cmath>
#include <reprise/reprise.hpp>
#include <utility>
#include <vector>

#include "support/counting_tensor.hpp"
#include "support/plain_graph.hpp"

namespace {

using reprise_test::CountingMemory;
using Tensor = reprise_test::CountingTensor;

enum class Kind { scale, wave, add, multiply };

void make(CountingMemory& memory, Tensor* out, std::size_t size) {
  if (out->size() == 0) *out = Tensor(memory, size);
}

/// y = w2 (a + sin(a + phase))^2 + sin(a + phase), a = w0 x, one element at a time.
class EngineGraph {
 public:
  using tensor_type = Tensor;
  using saved_type = Tensor;
  static constexpr std::size_t width = 5;

  CountingMemory memory;
  std::array<std::vector<float>, 2> weights{std::vector<float>{0.5F, -1.0F, 0.7F, 1.2F, -0.3F},
                                            std::vector<float>{1.1F, 0.4F, -0.8F, 0.9F, 0.6F}};
  std::array<std::vector<float>, 2> gradients{std::vector<float>(width), std::vector<float>(width)};
  std::uint64_t noise = 7;  // the engine's own random state, which each wave moves on
  bool saves_more = false;
  bool saves_input = false;
  bool drifts = false;
  bool is_resident = false;

  [[nodiscard]] std::size_t size() const { return kinds.size(); }
  [[nodiscard]] std::size_t input_count() const { return 1; }
  [[nodiscard]] std::span<const reprise::Source> inputs(std::size_t n) const { return sources[n]; }
  [[nodiscard]] std::span<const reprise::Source> outputs() const { return result; }
  [[nodiscard]] reprise::NodeTraits traits(std::size_t n) const {
    reprise::NodeTraits traits;
    traits.layer = static_cast<std::uint32_t>(n / 2);
    traits.accumulates_in_place = true;
    const bool reads = kinds[n] == Kind::multiply || (kinds[n] == Kind::scale && !keeps(n));
    if (reads) traits.backward_reads = reprise::Reads::input;
    traits.has_resident_state = keeps(n);
    return traits;
  }

  void forward(std::size_t n, reprise::Arguments<Tensor> in, std::span<Tensor> out, Tensor& saved,
               reprise::PassContext& pass) {
    make(memory, &out[0], width);
    if (kinds[n] == Kind::wave) {
      make(memory, &saved, saves_more ? 2 * width : width);
      if (saves_input) saved = in[0];
    }
    const float phase = kinds[n] == Kind::wave ? next_phase(pass) : 0.0F;
    if (keeps(n)) resident = Tensor(memory, width);
    for (std::size_t i = 0; i < width; ++i) {
      const float x = in[0][i];
      if (keeps(n)) resident[i] = x;
      switch (kinds[n]) {
        case Kind::scale:
          out[0][i] = weights[n / 4][i] * x;
          break;
        case Kind::wave:
          out[0][i] = std::sin(x + phase);
          if (!saves_input) saved[i] = std::cos(x + phase);
          break;
        case Kind::add:
          out[0][i] = x + in[1][i];
          break;
        case Kind::multiply:
          out[0][i] = x * in[1][i];
          break;
      }
    }
  }

  void backward(std::size_t n, reprise::Arguments<Tensor> in, reprise::Arguments<Tensor>,
                Tensor& saved, reprise::Arguments<Tensor> dy, reprise::PassContext&,
                std::span<Tensor* const> dx) {
    for (std::size_t input = 0; input < dx.size(); ++input) {
      if (dx[input] != nullptr) make(memory, dx[input], width);
    }
    const auto add = [&](std::size_t input, std::size_t i, float value) {
      if (dx[input] != nullptr) (*dx[input])[i] += value;
    };
    for (std::size_t i = 0; i < width; ++i) {
      const float d = dy[0][i];
      switch (kinds[n]) {
        case Kind::scale:
          add(0, i, d * weights[n / 4][i]);
          gradients[n / 4][i] += d * (keeps(n) ? resident[i] : in[0][i]);
          break;
        case Kind::wave:
          add(0, i, d * saved[i]);
          break;
        case Kind::add:
          add(0, i, d);
          add(1, i, d);
          break;
        case Kind::multiply:
          add(0, i, d * in[1][i]);
          add(1, i, d * in[0][i]);
          break;
      }
    }
  }

  [[nodiscard]] std::any capture_state(std::size_t n) const {
    return kinds[n] == Kind::wave ? std::any(noise) : std::any();
  }
  void restore_state(std::size_t n, const std::any& state) {
    if (kinds[n] == Kind::wave) noise = std::any_cast<std::uint64_t>(state);
  }
  [[nodiscard]] reprise::byte_count resident_bytes(std::size_t n) const {
    return keeps(n) ? resident.size() * sizeof(float) : 0;
  }
  void release_resident(std::size_t n) {
    if (keeps(n)) resident = Tensor();
  }

 private:
  static constexpr reprise::Source from(std::uint32_t node) { return {.node = node, .port = 0}; }
  [[nodiscard]] bool keeps(std::size_t n) const { return is_resident && n == 4; }

  float next_phase(const reprise::PassContext& pass) {
    if (!pass.is_training()) return 0.0F;
    const float phase = static_cast<float>(noise % 1000) * 1e-3F;
    if (!pass.is_profiling()) noise = reprise::hash_combine(noise, 1);
    return drifts && pass.is_recompute() ? phase + 0.25F : phase;
  }

  std::vector<Kind> kinds{Kind::scale,    Kind::wave,  Kind::add,
                          Kind::multiply, Kind::scale, Kind::add};
  std::vector<std::vector<reprise::Source>> sources{{reprise::Source{}}, {from(0)},
                                                    {from(0), from(1)},  {from(2), from(2)},
                                                    {from(3)},           {from(4), from(1)}};
  std::vector<reprise::Source> result{from(5)};
  Tensor resident;
};

static_assert(reprise::LayerGraph<EngineGraph>);

struct NoStatistics {
  [[nodiscard]] std::span<const double> statistics() const { return {}; }
  void end_step() {}
  void abandon_step() {}
};

Tensor filled(EngineGraph& engine, float begin) {
  Tensor t(engine.memory, EngineGraph::width);
  for (std::size_t i = 0; i < t.size(); ++i) t[i] = begin + 0.2F * static_cast<float>(i);
  return t;
}

struct Result {
  std::vector<float> gradients;
  double loss = 0;
  std::uint64_t noise = 0;
  double recomputed = 0;
};

/// One step of two micro-batches; the loss is the sum over outputs times their gradients.
template <class P>
Result step(EngineGraph& engine, P planner, reprise::CheckpointedOptions options = {}) {
  NoStatistics tracker;
  reprise::CheckpointScheduler scheduler{std::move(planner)};
  reprise::RematStore store;
  reprise::Checkpointed net{engine, tracker, scheduler, store, std::move(options)};
  Result got;
  engine.noise = 7;
  for (std::vector<float>& g : engine.gradients) g.assign(EngineGraph::width, 0.0F);
  net.begin_step();
  for (const float begin : {0.3F, -0.4F}) {
    const Tensor x = filled(engine, begin);
    auto pass = net.forward(x);
    Tensor dy = filled(engine, 0.5F);
    for (std::size_t i = 0; i < dy.size(); ++i) {
      got.loss += static_cast<double>(dy[i]) * static_cast<double>(pass.output()[i]);
    }
    const auto dx = net.backward(std::move(pass), std::move(dy));
    for (std::size_t i = 0; i < dx[0].size(); ++i) got.gradients.push_back(dx[0][i]);
  }
  const reprise::RunReport report = net.report();
  CHECK(report.peak_bytes <= report.predicted_peak_bytes);
  for (const std::uint32_t count : report.recomputes_per_layer) got.recomputed += count;
  net.end_step();
  for (const auto& g : engine.gradients) {
    got.gradients.insert(got.gradients.end(), g.begin(), g.end());
  }
  got.noise = engine.noise;
  return got;
}

struct SaysTraits : reprise_test::PlainGraph {
  reprise::NodeTraits given{};
  [[nodiscard]] reprise::NodeTraits traits(std::size_t) const { return given; }
};
struct KeepsResident : SaysTraits {
  [[nodiscard]] reprise::byte_count resident_bytes(std::size_t) const { return 4; }
  void release_resident(std::size_t) {}
};

}  // namespace

TEST_CASE("an engine's own graph gets store-all's gradients to the bit, and its own state back") {
  for (const bool is_resident : {false, true}) {
    CAPTURE(is_resident);
    EngineGraph engine;
    engine.is_resident = is_resident;
    const Result expected = step(engine, reprise::StoreAll{});
    const Result got = step(engine, reprise::RecomputeAll{}, {.verify_replay = true});
    CHECK(expected.recomputed == 0);
    CHECK(got.recomputed > 0);
    CHECK(got.gradients == expected.gradients);
    CHECK(got.loss == expected.loss);
    CHECK(got.noise == expected.noise);
    CHECK(engine.memory.live == 0);
  }
}

TEST_CASE("the gradients of an engine's own graph are those of finite differences") {
  EngineGraph engine;
  const Result exact = step(engine, reprise::RecomputeAll{});
  constexpr std::size_t first = 2 * EngineGraph::width;  // after the two inputs' gradients
  for (std::size_t w = 0; w < 2; ++w) {
    for (std::size_t i = 0; i < EngineGraph::width; ++i) {
      constexpr float h = 1e-2F;
      const float before = engine.weights[w][i];
      engine.weights[w][i] = before + h;
      const double above = step(engine, reprise::StoreAll{}).loss;
      engine.weights[w][i] = before - h;
      const double below = step(engine, reprise::StoreAll{}).loss;
      engine.weights[w][i] = before;
      const double gradient = exact.gradients[first + w * EngineGraph::width + i];
      CHECK((above - below) / (2.0 * static_cast<double>(h)) ==
            doctest::Approx(gradient).epsilon(2e-3));
    }
  }
}

TEST_CASE("a pass whose node saves more than its profile goes on where the budget has room") {
  EngineGraph engine;
  NoStatistics tracker;
  const Tensor x = filled(engine, 0.3F);
  reprise::byte_count peak = 0;
  for (const bool has_room : {true, false}) {
    CAPTURE(has_room);
    engine.saves_more = false;
    reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
    reprise::RematStore store{{.budget = has_room ? reprise::unlimited_bytes : peak}};
    reprise::Checkpointed net{engine, tracker, scheduler, store};
    net.begin_step();
    net.backward(net.forward(x), filled(engine, 0.5F));
    peak = net.report().peak_bytes;
    engine.saves_more = true;
    if (has_room) {
      net.backward(net.forward(x), filled(engine, 0.5F));
      CHECK(net.report().peak_bytes > peak);
    } else {
      CHECK_THROWS_AS(static_cast<void>(net.forward(x)), reprise::ProfileMismatch);
      CHECK_THROWS_AS(static_cast<void>(net.forward(x)), reprise::BudgetInfeasible);
    }
    CHECK(net.live_bytes() == 0);
  }
}

TEST_CASE("what an engine's own graph must not do is refused") {
  EngineGraph engine;
  engine.saves_input = true;
  CHECK_THROWS_AS(step(engine, reprise::StoreAll{}), reprise::SharedStorage);
  engine.saves_input = false;
  engine.drifts = true;
  CHECK_THROWS_AS(step(engine, reprise::RecomputeAll{}, {.verify_replay = true}),
                  reprise::ReplayMismatch);
  engine.drifts = false;
  engine.is_resident = true;
  CHECK_THROWS_AS(step(engine, reprise::StoreAll{}, {.passes_in_flight = 2}),
                  reprise::InvalidArgument);
  engine.is_resident = false;
  CHECK_NOTHROW(step(engine, reprise::StoreAll{}, {.passes_in_flight = 2}));
  CHECK(engine.memory.live == 0);
}

TEST_CASE("what a graph's traits say and the graph does not, or the other way round, is refused") {
  SaysTraits graph;
  CHECK_NOTHROW(reprise::check_graph(graph));
  graph.given.layer = 0x7FFFFFFFU;
  CHECK_THROWS_WITH_AS(reprise::check_graph(graph),
                       "2147483648 layers of 1 nodes: more than 65536 have none",
                       reprise::InvalidGraph);
  graph.given = {.has_resident_state = true};
  CHECK_THROWS_AS(reprise::check_graph(graph), reprise::InvalidGraph);
  KeepsResident keeps;
  std::vector<float> x{1.0F};
  const std::vector<std::vector<float>*> inputs{&x};
  CHECK_THROWS_WITH_AS(
      static_cast<void>(reprise::make_profile(keeps, inputs, {})),
      "node 0 keeps 4 bytes in itself, and its traits do not say has_resident_state",
      reprise::InvalidGraph);
  keeps.given = {.has_resident_state = true};
  CHECK(reprise::make_profile(keeps, inputs, {}).nodes[0].saved_bytes == 4);
}

TEST_CASE("inference keeps nothing and moves no state of the engine") {
  EngineGraph engine;
  NoStatistics tracker;
  reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
  reprise::RematStore store;
  reprise::Checkpointed net{engine, tracker, scheduler, store};
  {
    const Tensor x = filled(engine, 0.3F);
    const auto outputs = net.infer(x);
    REQUIRE(outputs.size() == 1);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float a = engine.weights[0][i] * x[i];
      const float s = a + std::sin(a);
      CHECK(outputs[0][i] == doctest::Approx(engine.weights[1][i] * s * s + std::sin(a)));
    }
    CHECK(engine.memory.live == 2 * EngineGraph::width * sizeof(float));
    CHECK(engine.noise == 7);
  }
  CHECK(engine.memory.live == 0);
}
