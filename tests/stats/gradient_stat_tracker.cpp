// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// backends: all

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <reprise/backend/element_type.hpp>
#include <reprise/backend/gradient_view.hpp>
#include <reprise/core/chain.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/graph.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/stats/gradient_stat_tracker.hpp>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "support/backends.hpp"
#include "support/seed.hpp"

namespace {

using reprise::CorruptState;
using reprise::Ema;
using reprise::EveryStep;
using reprise::EverySteps;
using reprise::gradient_view;
using reprise::GradientStatTracker;
using reprise::GradientView;
using reprise::InvalidArgument;
using reprise::InvalidState;
using reprise::ObservedLayers;
using reprise_test::Machine;
using reprise_test::vector_for;

// Nodes with parameters of several types; the engine's own graph, as far as the tracker asks.
struct Model {
  struct Traits {
    std::uint32_t layer;
  };
  struct Node {
    std::uint32_t layer;
    std::vector<std::span<float>> gradients;
  };
  std::vector<Node> nodes;
  std::vector<double> doubles;  // of node 0, if any

  [[nodiscard]] std::size_t size() const { return nodes.size(); }
  [[nodiscard]] Traits traits(std::size_t node) const { return {nodes[node].layer}; }
  template <class F>
  void for_each_gradient(std::size_t node, F&& f) {
    for (const std::span<float> gradient : nodes[node].gradients) f(gradient);
    if (node == 0 && !doubles.empty()) f(std::span<const double>(doubles));
  }
};

// Four layers: two of parameters, one without any, one of parameters; 1,503 + 400 + 0 + 20,000.
template <class B = reprise::DefaultBackend>
struct FourLayers {
  using vector = vector_for<B, float>;
  vector a = vector(1500);
  vector b = vector(3);
  vector c = vector(400);
  vector d = vector(20'000);

  Model graph() { return {{{0, {a}}, {0, {b}}, {1, {c}}, {2, {}}, {3, {d}}}, {}}; }
  std::vector<GradientView> views() {
    return {gradient_view(d, 3), gradient_view(a, 0), gradient_view(c, 1), gradient_view(b, 0)};
  }

  void draw(std::mt19937_64& random) {
    Machine<B>::wait();
    std::normal_distribution<float> normal;
    for (auto* tensor : {&a, &b, &c, &d}) {
      for (float& element : *tensor) element = normal(random);
    }
  }

  [[nodiscard]] std::vector<double> squared_norms() const {
    const auto sum = [](const vector& tensor) {
      double total = 0;
      for (const float element : tensor) total += static_cast<double>(element) * element;
      return total;
    };
    return {sum(a) + sum(b), sum(c), std::numeric_limits<double>::quiet_NaN(), sum(d)};
  }
};

std::vector<std::uint64_t> bits(std::span<const double> values) {
  std::vector<std::uint64_t> patterns;
  for (const double value : values) {
    patterns.push_back(std::isnan(value) ? 0x7FF8U : std::bit_cast<std::uint64_t>(value));
  }
  return patterns;
}

// A node for the library's own graphs.
struct Scale {
  using tensor_type = std::vector<float>;
  std::vector<float> gradient;

  tensor_type forward(const tensor_type& x, reprise::PassContext& /*pass*/) const { return x; }
  tensor_type backward(const tensor_type& dy, reprise::PassContext& /*pass*/) const { return dy; }
  template <class F>
  void for_each_gradient(F&& f) {
    f(std::span<float>(gradient));
  }
};

template <class B, class S = Ema, class C = EveryStep>
GradientStatTracker<B, S, C> make_tracker(FourLayers<B>& model, S smoothing = {}, C cadence = {}) {
  Model graph = model.graph();
  return GradientStatTracker<B, S, C>(graph, smoothing, cadence, B{});
}

// Ends as many steps with the same gradients as it takes for the first of them to be seen.
template <class T>
void end_visible_step(T& tracker, const reprise::GradientScale& scale = {}) {
  for (std::size_t i = 0; i < T::delay; ++i) tracker.end_step(scale);
  REQUIRE(!tracker.statistics().empty());
}

template <class T>
std::string saved(const T& tracker) {
  std::ostringstream out(std::ios::binary);
  tracker.save(out);
  return out.str();
}

template <class T>
void load(T& tracker, const std::string& bytes) {
  std::istringstream in(bytes, std::ios::binary);
  tracker.load(in);
}

}  // namespace

TEST_CASE_TEMPLATE_DEFINE("statistics are bias-corrected averages of squared norms", B, averages) {
  REPRISE_SEEDED(random);
  FourLayers<B> model;
  constexpr double beta = 0.9;
  auto tracker = make_tracker<B>(model, Ema{.beta = beta});
  CHECK(tracker.statistics().empty());
  CHECK(tracker.layers() == 4);
  CHECK(tracker.has_statistic(0));
  CHECK(!tracker.has_statistic(2));
  constexpr std::uint64_t on_its_way = decltype(tracker)::delay - 1;  // a step that is not seen yet
  std::vector<double> moments(4);
  std::vector<std::vector<double>> estimates;  // after each step
  for (std::uint64_t t = 1; t <= 30; ++t) {
    model.draw(random);
    tracker.end_step();
    CHECK(tracker.steps() == t);
    CHECK(tracker.updates() == t - on_its_way);
    CHECK(tracker.skipped_steps() == 0);
    const std::vector<double> norms = model.squared_norms();
    estimates.emplace_back(4);
    for (std::size_t layer = 0; layer < 4; ++layer) {
      moments[layer] = beta * moments[layer] + (1 - beta) * norms[layer];
      estimates.back()[layer] = moments[layer] / (1 - std::pow(beta, t));
    }
    if (t <= on_its_way) {
      REQUIRE(tracker.statistics().empty());
      continue;
    }
    REQUIRE(tracker.statistics().size() == 4);
    for (std::size_t layer = 0; layer < 4; ++layer) {
      const double expected = estimates[t - 1 - on_its_way][layer];
      const double found = tracker.statistics()[layer];
      CAPTURE(layer);
      if (layer == 2) {
        REQUIRE(std::isnan(found));
      } else {
        REQUIRE(found == doctest::Approx(expected).epsilon(10 * Machine<B>::sum_error));
      }
    }
  }
}
TEST_CASE_TEMPLATE_APPLY(averages, reprise_test::Backends);

TEST_CASE_TEMPLATE_DEFINE("statistics have the same bits for any number of threads", B, threads) {
  REPRISE_SEEDED(random);
  FourLayers<B> model;
  model.d.resize(200'000);
  model.draw(random);
  std::vector<std::uint64_t> expected;
  for (const int count : {1, 2, 3, 7}) {
    reprise_test::with_threads(count, [&] {
      auto tracker = make_tracker<B>(model);
      end_visible_step(tracker);
      if (expected.empty()) expected = bits(tracker.statistics());
      CHECK(bits(tracker.statistics()) == expected);
    });
  }
}
TEST_CASE_TEMPLATE_APPLY(threads, reprise_test::Backends);

TEST_CASE("a list of gradients in any order gives what the graph gives") {
  REPRISE_SEEDED(random);
  FourLayers<> model;
  model.draw(random);
  Model graph = model.graph();
  GradientStatTracker of_graph{graph, Ema{.beta = 0.95}};
  GradientStatTracker of_list{std::size_t{4}, model.views(), Ema{.beta = 0.95}};
  of_graph.end_step();
  of_list.end_step();
  CHECK(bits(of_graph.statistics()) == bits(of_list.statistics()));
  std::istringstream in(saved(of_graph));
  of_list.load(in);  // and it is the same model
}

TEST_CASE("the library's own graphs show their gradients") {
  std::vector<Scale> nodes{{{1, 2}}, {{}}, {{3}}};
  auto chain = reprise::chain(nodes);
  GradientStatTracker of_chain{chain, Ema{.beta = 0.0}};
  of_chain.end_step();
  CHECK(of_chain.statistics()[0] == 5);
  CHECK(std::isnan(of_chain.statistics()[1]));
  CHECK(of_chain.statistics()[2] == 9);

  reprise::Graph<std::vector<float>> graph;
  auto x = graph.input();
  graph.begin_layer("both");
  for (Scale& node : nodes) x = graph.add(node, x);
  graph.output(x);
  GradientStatTracker of_graph{graph, Ema{.beta = 0.0}};
  of_graph.end_step();
  REQUIRE(of_graph.layers() == 1);
  CHECK(of_graph.statistics()[0] == 14);
}

TEST_CASE("a graph may show floats, doubles and halves") {
  std::vector<float> floats(10, 2.0F);
  Model graph{{{0, {floats}}}, std::vector<double>(5, 3.0)};
  GradientStatTracker tracker{graph};
  tracker.end_step();
  CHECK(tracker.statistics()[0] == doctest::Approx(10 * 4 + 5 * 9));

  const std::vector<reprise::float16> halves(7, reprise::float16::from_float(2.0F));
  const std::vector<reprise::bfloat16> brains(9, reprise::bfloat16::from_float(-2.0F));
  const std::vector<GradientView> views{gradient_view(halves, 0), gradient_view(brains, 1)};
  GradientStatTracker of_list{std::size_t{2}, views};
  of_list.end_step();
  CHECK(of_list.statistics()[0] == doctest::Approx(28));
  CHECK(of_list.statistics()[1] == doctest::Approx(36));
}

TEST_CASE_TEMPLATE_DEFINE("layers observed one by one give the bits of one pass", B, observing) {
  REPRISE_SEEDED(random);
  FourLayers<B> model;
  auto at_once = make_tracker<B>(model);
  auto by_layer = make_tracker<B>(model);
  auto partly = make_tracker<B>(model);
  GradientStatTracker<B> transient(ObservedLayers{{true, true, false, true}});
  CHECK(transient.statistics().empty());
  for (int step = 0; step < 5; ++step) {
    model.draw(random);
    const FourLayers<B> kept = model;
    at_once.end_step({.loss_scale = 8});
    for (const std::size_t layer : {3U, 2U, 1U, 0U}) by_layer.observe(layer);
    partly.observe(3);
    {
      // The engine's gradients lie elsewhere at each step and are gone after the call.
      FourLayers<B> moved = kept;
      const std::vector<GradientView> views = moved.views();
      transient.observe(3, std::span(views).subspan(0, 1));
      transient.observe(2, {});
      transient.observe(1, std::span(views).subspan(2, 1));
      const std::vector<GradientView> first{views[1], views[3]};
      transient.observe(0, first);
      Machine<B>::wait();
    }
    std::fill(model.d.begin(), model.d.end(), std::numeric_limits<float>::quiet_NaN());
    partly.end_step({.loss_scale = 8});
    Machine<B>::wait();
    for (auto* tensor : {&model.a, &model.b, &model.c}) {
      std::fill(tensor->begin(), tensor->end(), std::numeric_limits<float>::quiet_NaN());
    }
    by_layer.end_step({.loss_scale = 8});
    transient.end_step({.loss_scale = 8});
    CHECK(bits(by_layer.statistics()) == bits(at_once.statistics()));
    CHECK(bits(partly.statistics()) == bits(at_once.statistics()));
    CHECK(bits(transient.statistics()) == bits(at_once.statistics()));
  }
  CHECK(saved(by_layer) == saved(at_once));
  CHECK(saved(partly) == saved(at_once));
}
TEST_CASE_TEMPLATE_APPLY(observing, reprise_test::Backends);

TEST_CASE("observations out of order are refused and change nothing") {
  FourLayers<> model;
  Model graph = model.graph();
  GradientStatTracker tracker{graph};
  CHECK_THROWS_AS(tracker.observe(4), InvalidArgument);
  CHECK_THROWS_AS(static_cast<void>(tracker.has_statistic(4)), InvalidArgument);
  CHECK_THROWS_AS(tracker.observe(0, model.views()), InvalidState);
  tracker.observe(0);
  CHECK_THROWS_AS(tracker.observe(0), InvalidState);
  tracker.end_step();
  tracker.observe(0);  // a new step

  GradientStatTracker transient{ObservedLayers{{true, true, false}}};
  const std::vector<GradientView> views{gradient_view(model.a, 99)};
  CHECK_THROWS_AS(transient.observe(0), InvalidState);
  CHECK_THROWS_AS(transient.observe(3, views), InvalidArgument);
  CHECK_THROWS_AS(transient.observe(2, views), InvalidArgument);
  const std::vector<GradientView> bad{{nullptr, 3}};
  CHECK_THROWS_AS(transient.observe(0, bad), InvalidArgument);
  transient.observe(0, views);
  CHECK_THROWS_AS(transient.observe(0, views), InvalidState);
  CHECK_THROWS_WITH(transient.end_step(), "step 0 ends and layer 1 was not observed");
  CHECK(transient.steps() == 0);
  transient.observe(1, views);
  transient.end_step();
  CHECK(transient.steps() == 1);
  CHECK(transient.updates() == 1);
}

TEST_CASE("an abandoned step leaves nothing behind") {
  REPRISE_SEEDED(random);
  FourLayers<> model;
  model.draw(random);
  auto tracker = make_tracker<reprise::DefaultBackend>(model);
  auto reference = make_tracker<reprise::DefaultBackend>(model);
  tracker.end_step();
  reference.end_step();
  model.draw(random);
  tracker.observe(1);
  tracker.observe(3);
  tracker.abandon_step();
  CHECK(bits(tracker.statistics()) == bits(reference.statistics()));
  CHECK(tracker.steps() == 1);
  model.draw(random);
  tracker.observe(3);
  tracker.end_step();
  reference.end_step();
  CHECK(bits(tracker.statistics()) == bits(reference.statistics()));
}

TEST_CASE("statistics change at the end of a step only") {
  REPRISE_SEEDED(random);
  FourLayers<> model;
  model.draw(random);
  auto tracker = make_tracker<reprise::DefaultBackend>(model);
  tracker.end_step();
  const auto before = bits(tracker.statistics());
  model.draw(random);
  tracker.observe(0);
  tracker.observe(3);
  CHECK(bits(tracker.statistics()) == before);
  tracker.end_step();
  CHECK(bits(tracker.statistics()) != before);
}

TEST_CASE_TEMPLATE_DEFINE("a loss scale and added micro-batches divide out", B, scales) {
  REPRISE_SEEDED(random);
  FourLayers<B> model;
  model.draw(random);
  FourLayers<B> scaled = model;
  for (auto* tensor : {&scaled.a, &scaled.b, &scaled.c, &scaled.d}) {
    for (float& element : *tensor) element *= 512.0F * 4.0F;  // exact
  }
  auto plain = make_tracker<B>(model);
  auto other = make_tracker<B>(scaled);
  end_visible_step(plain);
  end_visible_step(other, {.loss_scale = 512, .micro_batches = 4});
  CHECK(bits(plain.statistics()) == bits(other.statistics()));
  const std::uint64_t steps = other.steps();
  CHECK_THROWS_AS(other.end_step({.loss_scale = 0}), InvalidArgument);
  CHECK_THROWS_AS(other.end_step({.micro_batches = 0}), InvalidArgument);
  CHECK(other.steps() == steps);
}
TEST_CASE_TEMPLATE_APPLY(scales, reprise_test::Backends);

TEST_CASE_TEMPLATE_DEFINE("a loss scale read from memory gives the bits of one from the host", B,
                          read_scales) {
  REPRISE_SEEDED(random);
  FourLayers<B> model;
  vector_for<B, float> loss_scales(2, 1.0F);
  auto given = make_tracker<B>(model, Ema{.beta = 0.9}, EverySteps{.steps = 2});
  auto read = make_tracker<B>(model, Ema{.beta = 0.9}, EverySteps{.steps = 2});
  std::lognormal_distribution<float> lognormal(7, 3);
  for (std::size_t step = 0; step < 30; ++step) {
    model.draw(random);
    const std::size_t place = step / 10 % 2;
    if (step % 10 == 0) read.read_loss_scale_from(&loss_scales[place]);
    const float loss_scale = lognormal(random);
    loss_scales[place] = loss_scale;
    loss_scales[1 - place] = -1.0F;
    const std::uint64_t micro_batches = 1 + random() % 8;
    if (step % 4 == 0) read.observe(3);
    given.end_step({.loss_scale = loss_scale, .micro_batches = micro_batches});
    read.end_step({.micro_batches = micro_batches});
    REQUIRE(bits(read.statistics()) == bits(given.statistics()));
    REQUIRE(saved(read) == saved(given));
  }
  CHECK(read.steps() == 30);
  CHECK(read.skipped_steps() == 0);
}
TEST_CASE_TEMPLATE_APPLY(read_scales, reprise_test::Backends);

TEST_CASE_TEMPLATE_DEFINE("gradients that are gone have the loss scale of the end of their step", B,
                          observed_scales) {
  REPRISE_SEEDED(random);
  FourLayers<B> model;
  model.draw(random);
  const std::vector<GradientView> views{gradient_view(model.d, 0)};
  vector_for<B, float> loss_scale(1, 4.0F);
  GradientStatTracker<B> given(ObservedLayers{{true}});
  GradientStatTracker<B> read(ObservedLayers{{true}});
  read.read_loss_scale_from(loss_scale.data());
  for (std::size_t step = 0; step < 4; ++step) {
    given.observe(0, views);
    read.observe(0, views);
    Machine<B>::wait();
    loss_scale[0] *= 2;
    given.end_step({.loss_scale = loss_scale[0]});
    read.end_step();
    CHECK(saved(read) == saved(given));
  }
  CHECK(!read.statistics().empty());
}
TEST_CASE_TEMPLATE_APPLY(observed_scales, reprise_test::Backends);

TEST_CASE_TEMPLATE_DEFINE("a step with a loss scale that none has is ignored as one not finite", B,
                          bad_scales) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  REPRISE_SEEDED(random);
  FourLayers<B> model;
  vector_for<B, float> loss_scale(1);
  auto tracker = make_tracker<B>(model);
  auto reference = make_tracker<B>(model);
  tracker.read_loss_scale_from(loss_scale.data());
  std::uint64_t skipped = 0;
  for (const float bad : {0.0F, -2.0F, infinity, std::nanf(""), 1e-40F}) {
    CAPTURE(bad);
    model.draw(random);
    loss_scale[0] = bad;
    tracker.end_step();
    ++skipped;
    Machine<B>::wait();
    loss_scale[0] = 8;
    tracker.end_step();
    reference.end_step({.loss_scale = 8});
    CHECK(bits(tracker.statistics()) == bits(reference.statistics()));
    CHECK(tracker.updates() == reference.updates());
    CHECK(tracker.skipped_steps() == skipped);
    CHECK(tracker.steps() == 2 * skipped);
  }
}
TEST_CASE_TEMPLATE_APPLY(bad_scales, reprise_test::Backends);

TEST_CASE_TEMPLATE_DEFINE("a loss scale comes from one place", B, one_place) {
  FourLayers<B> model;
  vector_for<B, float> loss_scale(1, 512.0F);
  auto tracker = make_tracker<B>(model, Ema{}, EverySteps{.steps = 2});
  CHECK_THROWS_WITH_AS(tracker.read_loss_scale_from(nullptr),
                       "DeviceLossScale: the pointer to the loss scale is null", InvalidArgument);
  tracker.end_step({.loss_scale = 512});  // as nothing was registered
  tracker.read_loss_scale_from(loss_scale.data());
  CHECK_THROWS_AS(tracker.read_loss_scale_from(nullptr), InvalidArgument);
  for (std::uint64_t step = 1; step < 3; ++step) {  // whether it is due or not
    CHECK_THROWS_WITH_AS(tracker.end_step({.loss_scale = 512}),
                         "GradientScale: the loss scale is 512.000000 and must be left at 1, as "
                         "the tracker reads it from memory",
                         InvalidArgument);
    CHECK_THROWS_AS(tracker.end_step({.loss_scale = std::nan("")}), InvalidArgument);
    CHECK_THROWS_AS(tracker.end_step({.micro_batches = 0}), InvalidArgument);
    CHECK(tracker.steps() == step);
    tracker.end_step();
  }
}
TEST_CASE_TEMPLATE_APPLY(one_place, reprise_test::Backends);

TEST_CASE_TEMPLATE_DEFINE("where a loss scale lies is no part of a state", B, state_of_scales) {
  REPRISE_SEEDED(random);
  FourLayers<B> model;
  vector_for<B, float> loss_scale(1, 4.0F);
  auto given = make_tracker<B>(model);
  auto read = make_tracker<B>(model);
  read.read_loss_scale_from(loss_scale.data());
  for (int step = 0; step < 4; ++step) {
    model.draw(random);
    given.end_step({.loss_scale = 4});
    read.end_step();
    REQUIRE(saved(read) == saved(given));
    // Each takes up the other's state, and its loss scale from where it did before.
    const std::string of_read = saved(read);
    load(read, saved(given));
    load(given, of_read);
  }
  CHECK(!given.statistics().empty());
}
TEST_CASE_TEMPLATE_APPLY(state_of_scales, reprise_test::Backends);

TEST_CASE_TEMPLATE_DEFINE("a step that is not finite is counted and otherwise ignored", B,
                          non_finite) {
  REPRISE_SEEDED(random);
  FourLayers<B> model;
  auto tracker = make_tracker<B>(model);
  auto reference = make_tracker<B>(model);
  constexpr std::uint64_t on_its_way = decltype(tracker)::delay - 1;  // a step that is not seen yet
  for (const float bad :
       {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    const bool is_first = tracker.steps() == 0;
    model.draw(random);
    const float good = model.c[17];
    model.c[17] = bad;
    tracker.end_step();
    Machine<B>::wait();
    model.c[17] = good;
    if (is_first) CHECK(tracker.statistics().empty());
    tracker.end_step();
    reference.end_step();
    CHECK(bits(tracker.statistics()) == bits(reference.statistics()));
  }
  CHECK(tracker.skipped_steps() == 2);
  CHECK(tracker.updates() == 2 - on_its_way);
  CHECK(tracker.steps() == 4);
}
TEST_CASE_TEMPLATE_APPLY(non_finite, reprise_test::Backends);

TEST_CASE("a parameter that layers share belongs to the first of them") {
  std::vector<float> embedding(100, 1.0F);
  std::vector<float> own(10, 1.0F);
  // Shown last-layer first, twice within a layer, and by a layer that has nothing else.
  Model graph{{{2, {embedding, own, own}}, {1, {embedding}}, {0, {embedding, embedding}}}, {}};
  GradientStatTracker tracker{graph, Ema{.beta = 0.0}};
  tracker.end_step();
  CHECK(tracker.statistics()[0] == 100);
  CHECK(!tracker.has_statistic(1));
  CHECK(std::isnan(tracker.statistics()[1]));
  CHECK(tracker.statistics()[2] == 10);
}

TEST_CASE("empty tensors are no parameters and share no address") {
  std::vector<float> one(1, 2.0F);
  const std::vector<GradientView> views{
      {nullptr, 0, {}, 0}, {one.data(), 0, {}, 0}, {nullptr, 0, {}, 1}, gradient_view(one, 1)};
  GradientStatTracker tracker{std::size_t{2}, views, Ema{.beta = 0.0}};
  tracker.end_step();
  CHECK(!tracker.has_statistic(0));
  CHECK(tracker.statistics()[1] == 4);
}

TEST_CASE("a model of no layers and one without parameters have steps and no statistics") {
  GradientStatTracker none{std::size_t{0}, std::vector<GradientView>{}};
  none.end_step();
  CHECK(none.statistics().empty());
  CHECK(none.updates() == 1);
  Model graph{{{0, {}}, {1, {}}}, {}};
  GradientStatTracker bare{graph};
  bare.end_step();
  REQUIRE(bare.statistics().size() == 2);
  CHECK(std::isnan(bare.statistics()[0]));
}

TEST_CASE("bad gradients and parameters are refused at construction") {
  const std::vector<GradientView> null{{nullptr, 3, {}, 0}};
  CHECK_THROWS_AS((GradientStatTracker{std::size_t{1}, null}), InvalidArgument);
  std::vector<float> one(1);
  const std::vector<GradientView> outside{gradient_view(one, 0), gradient_view(one, 5)};
  CHECK_THROWS_WITH((GradientStatTracker{std::size_t{2}, outside}),
                    "gradient 1 (layer 5, 1 elements): there are only 2 layers");
  Model graph{{{0, {one}}}, {}};
  Model sparse{{{0x7FFFFFFFU, {one}}}, {}};
  CHECK_THROWS_WITH((GradientStatTracker{sparse}),
                    "2147483648 layers of 1 nodes: more than 65536 have none");
  CHECK_THROWS_AS((GradientStatTracker{graph, Ema{.beta = 1.0}}), InvalidArgument);
  CHECK_THROWS_AS((GradientStatTracker{graph, Ema{}, EverySteps{.steps = 0}}), InvalidArgument);
}

TEST_CASE("a cadence leaves the gradients of other steps alone") {
  REPRISE_SEEDED(random);
  FourLayers<> model;
  auto tracker = make_tracker<reprise::DefaultBackend>(model, Ema{}, EverySteps{.steps = 3});
  auto reference = make_tracker<reprise::DefaultBackend>(model);
  for (std::uint64_t step = 0; step < 10; ++step) {
    model.draw(random);
    CHECK(tracker.is_due() == (step % 3 == 0));
    if (tracker.is_due()) {
      reference.end_step();
    } else {
      model.a[0] = std::numeric_limits<float>::quiet_NaN();
      tracker.observe(0);
      tracker.observe(0);  // not read, so not twice either
    }
    tracker.end_step();
    CHECK(bits(tracker.statistics()) == bits(reference.statistics()));
  }
  CHECK(tracker.steps() == 10);
  CHECK(tracker.updates() == 4);
  CHECK(tracker.skipped_steps() == 0);
}

TEST_CASE_TEMPLATE_DEFINE("a tracker that was loaded goes on to the bit", B, resuming) {
  REPRISE_SEEDED(random);
  FourLayers<B> model;
  auto original = make_tracker<B>(model, Ema{.beta = 0.8}, EverySteps{.steps = 2});
  for (int step = 0; step < 13; ++step) {
    auto resumed = make_tracker<B>(model, Ema{.beta = 0.8}, EverySteps{.steps = 2});
    resumed.observe(1);
    load(resumed, saved(original));
    CHECK(saved(resumed) == saved(original));
    for (int more = 0; more < 3; ++more) {
      CHECK(bits(resumed.statistics()) == bits(original.statistics()));
      CHECK(resumed.steps() == original.steps());
      CHECK(resumed.updates() == original.updates());
      CHECK(resumed.skipped_steps() == original.skipped_steps());
      model.draw(random);
      if (step == 5) model.a[0] = std::numeric_limits<float>::infinity();
      resumed.end_step();
      original.end_step();
    }
  }
}
TEST_CASE_TEMPLATE_APPLY(resuming, reprise_test::Backends);

TEST_CASE("a state can lie between other things in a stream") {
  FourLayers<> model;
  auto tracker = make_tracker<reprise::DefaultBackend>(model);
  std::istringstream in(saved(tracker) + "next");
  tracker.load(in);
  std::string next;
  in >> next;
  CHECK(next == "next");
}

TEST_CASE("a state that is truncated or damaged in any byte is refused and changes nothing") {
  REPRISE_SEEDED(random);
  FourLayers<> model;
  auto source = make_tracker<reprise::DefaultBackend>(model);
  auto target = make_tracker<reprise::DefaultBackend>(model);
  for (int step = 0; step < 3; ++step) {
    model.draw(random);
    source.end_step();
  }
  model.draw(random);
  target.end_step();
  const std::string good = saved(source);
  const std::string before = saved(target);
  for (std::size_t length = 0; length < good.size(); ++length) {
    CAPTURE(length);
    REQUIRE_THROWS_AS(load(target, good.substr(0, length)), CorruptState);
    REQUIRE(saved(target) == before);
  }
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const int flip : {0x01, 0x10, 0x80, 0xFF}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ flip);
      CAPTURE(at);
      REQUIRE_THROWS_AS(load(target, bad), CorruptState);
      REQUIRE(saved(target) == before);
    }
  }
  CHECK_THROWS_WITH(
      load(target, good.substr(0, 20)),
      ("tracker state: it ends after 20 of " + std::to_string(good.size()) + " bytes").c_str());
  load(target, good);
  CHECK(saved(target) == good);
}

TEST_CASE("a state of another model is refused") {
  FourLayers<> model;
  const auto tracker = make_tracker<reprise::DefaultBackend>(model);
  const std::string state = saved(tracker);
  FourLayers<> wider;
  wider.c.resize(401);
  auto other = make_tracker<reprise::DefaultBackend>(wider);
  CHECK_THROWS_AS(load(other, state), CorruptState);
  GradientStatTracker fewer{std::size_t{3}, std::vector<GradientView>{}};
  CHECK_THROWS_WITH_AS(load(fewer, state), "tracker state: of a model of 4 layers, this one has 3",
                       CorruptState);
  GradientStatTracker transient{ObservedLayers{{true, true, false, true}}};
  CHECK_THROWS_AS(load(transient, state), CorruptState);
}

TEST_CASE("a stream that takes no bytes is an error") {
  FourLayers<> model;
  const auto tracker = make_tracker<reprise::DefaultBackend>(model);
  std::ostringstream out;
  out.setstate(std::ios::badbit);
  CHECK_THROWS_AS(tracker.save(out), reprise::Error);
}
