// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// What verify_step compares, what it says where it cannot, and what it leaves in the engine.

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <reprise/core/chain.hpp>
#include <reprise/core/graph.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/planner/every_nth.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/store/remat_store.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

using reprise::PassContext;
using reprise::StepVerification;
using Tensor = std::vector<float>;

struct NoStatistics {
  [[nodiscard]] std::span<const double> statistics() const { return {}; }
  void end_step() {}
  void abandon_step() {}
};

/// y = w x; one that does not repeat adds 5 to it in a recompute.
struct Scale {
  using tensor_type = Tensor;
  static constexpr auto backward_reads = reprise::Reads::input;

  float w = 2.0F;
  float dw = 0.0F;
  bool repeats = true;

  Tensor forward(const Tensor& x, PassContext& pass) {
    return {w * x[0] + (pass.is_recompute() && !repeats ? 5.0F : 0.0F)};
  }
  Tensor backward(const Tensor& x, const Tensor& dy, PassContext&) {
    dw = dy[0] * x[0];
    return {w * dy[0]};
  }
};
struct ShownScale : Scale {
  bool shows = true;
  void for_each_gradient(auto&& f) {
    if (shows) f(std::span<float>(&dw, 1));
  }
};
struct EmptySpanScale : Scale {
  void for_each_gradient(auto&& f) { f(std::span<float>()); }
};
/// Shows its gradient the second time that it is asked.
struct ShowsLater : Scale {
  int* shown = nullptr;
  void for_each_gradient(auto&& f) {
    if (++*shown > 1) f(std::span<float>(&dw, 1));
  }
};
struct FrozenScale : Scale {
  [[nodiscard]] bool is_frozen() const { return true; }
};
/// No member, so no parameter.
struct Negate {
  using tensor_type = Tensor;
  Tensor forward(const Tensor& x, PassContext&) { return {-x[0]}; }
  Tensor backward(const Tensor& dy, PassContext&) { return {-dy[0]}; }
};

Tensor make_loss_gradient() { return {1.0F}; }

/// One verified step of a graph under a plan.
template <class G, class P, class Loss>
StepVerification verify(G& graph, P planner, Loss loss, reprise::CheckpointedOptions options = {}) {
  NoStatistics tracker;
  reprise::CheckpointScheduler scheduler{std::move(planner)};
  reprise::RematStore store;
  reprise::Checkpointed net{graph, tracker, scheduler, store, std::move(options)};
  net.begin_step();
  const Tensor x{1.0F};
  return net.verify_step(
      loss, [] {}, x);
}
template <class G, class P>
StepVerification verify(G& graph, P planner, reprise::CheckpointedOptions options = {}) {
  const auto loss = [](auto&&) { return std::vector<Tensor>{make_loss_gradient()}; };
  return verify(graph, std::move(planner), loss, std::move(options));
}

template <class E, class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "";
}

template <class N>
std::string refusal_of(std::vector<N> nodes, reprise::CheckpointedOptions options = {}) {
  auto graph = reprise::chain(nodes);
  return message_of<reprise::InvalidGraph>(
      [&] { verify(graph, reprise::StoreAll{}, std::move(options)); });
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("parameters whose gradients no node shows are no verified step") {
  const std::string refusal = refusal_of(std::vector<Scale>(6));
  CHECK(contains(refusal, "no parameter gradient to compare"));
  CHECK(contains(refusal, "6 nodes, of which node 0 of layer 0"));
  CHECK(contains(refusal, "for_each_gradient"));
  CHECK(!refusal_of(std::vector<Scale>(6), {.input_gradients = false}).empty());
}

TEST_CASE("where nothing at all can be compared the message says what is missing") {
  const std::vector<EmptySpanScale> nodes(2);
  CHECK(refusal_of(nodes).empty());
  const std::string refusal = refusal_of(nodes, {.input_gradients = false});
  CHECK(contains(refusal, "nothing to compare"));
  CHECK(contains(refusal, "input_gradients is false"));
  std::vector<ShownScale> silent(2);
  for (ShownScale& node : silent) node.shows = false;
  CHECK(contains(refusal_of(silent, {.input_gradients = false}), "nothing to compare"));
  CHECK(contains(refusal_of(std::vector<FrozenScale>(2), {.input_gradients = false}),
                 "nothing to compare"));
}

TEST_CASE("a step in which no backward runs is no verified step") {
  std::vector<ShownScale> nodes(3);
  auto graph = reprise::chain(nodes);
  const auto gives_none = [](auto&&) { return std::vector<Tensor>(1); };
  for (const bool input_gradients : {false, true}) {
    CHECK_THROWS_AS(
        verify(graph, reprise::RecomputeAll{}, gives_none, {.input_gradients = input_gradients}),
        reprise::InvalidGraph);
  }
  CHECK(verify(graph, reprise::RecomputeAll{}).parameter_gradients == 3);
}

TEST_CASE("nodes without parameters are verified by the gradients of the graph's inputs") {
  std::vector<Negate> nodes(3);
  auto graph = reprise::chain(nodes);
  const StepVerification found = verify(graph, reprise::RecomputeAll{});
  CHECK(found.parameter_gradients == 0);
  CHECK(found.input_gradients == 1);
  CHECK(found.nodes_without_gradients.empty());
  CHECK(refusal_of(std::vector<FrozenScale>(2)).empty());
}

TEST_CASE("a verified step says what it has compared and of which nodes it saw no gradient") {
  reprise::Graph<Tensor> graph;
  const reprise::Source first = graph.add(ShownScale{}, graph.input());
  const reprise::Source hidden = graph.add(Scale{}, first);
  graph.output(graph.add(Negate{}, hidden));
  const StepVerification found = verify(graph, reprise::RecomputeAll{});
  CHECK(found.parameter_gradients == 1);
  CHECK(found.input_gradients == 1);
  CHECK(found.nodes_without_gradients == std::vector<std::size_t>{1});
  CHECK(found.backward_reads == 3);
}

TEST_CASE("a parameter gradient that is not shown is found wrong by what backward reads") {
  reprise::Graph<Tensor> graph;
  reprise::Source at = graph.add(ShownScale{}, graph.input());
  for (int i = 0; i < 5; ++i) at = graph.add(Scale{.repeats = false}, at);
  graph.output(at);
  CHECK(verify(graph, reprise::StoreAll{}).parameter_gradients == 1);
  const std::string mismatch =
      message_of<reprise::ReplayMismatch>([&] { verify(graph, reprise::EveryNth{.n = 3}); });
  CHECK(contains(mismatch, "input 0 that the backward of node "));
  CHECK(contains(mismatch, "no for_each_gradient"));
}

TEST_CASE("a node that shows a gradient in one pass only is refused") {
  int shown = 0;
  std::vector<ShowsLater> nodes(1);
  nodes[0].shown = &shown;
  auto graph = reprise::chain(nodes);
  CHECK_THROWS_AS(verify(graph, reprise::StoreAll{}), reprise::ReplayMismatch);
}

namespace {

/// A generator of the engine's own, which several nodes share.
struct Generator {
  std::minstd_rand random{7};
  std::size_t draws = 0;  ///< also of what was put back
};

/// Dropout by the engine's generator; backward draws too, as stochastic rounding does.
struct Drop {
  using tensor_type = Tensor;
  using saved_type = Tensor;

  Generator* generator;
  bool guards_profiling = false;
  bool draws_in_backward = false;

  Tensor forward(const Tensor& x, Tensor& mask, PassContext& pass) {
    const std::minstd_rand before = generator->random;
    mask.assign(x.size(), 0.0F);
    Tensor y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      mask[i] = static_cast<float>(draw());
      y[i] = x[i] * mask[i];
    }
    if (guards_profiling && pass.is_profiling()) generator->random = before;
    return y;
  }
  Tensor backward(Tensor& mask, const Tensor& dy, PassContext&) {
    Tensor dx(dy.size());
    for (std::size_t i = 0; i < dx.size(); ++i) {
      dx[i] = dy[i] * mask[i] * (draws_in_backward ? static_cast<float>(draw()) : 1.0F);
    }
    return dx;
  }
  double draw() {
    ++generator->draws;
    return 0.5 + static_cast<double>(generator->random() % 8) / 8.0;
  }
  void for_each_gradient(auto&&) {}
  [[nodiscard]] std::minstd_rand capture_state() const { return generator->random; }
  void restore_state(const std::minstd_rand& state) const { generator->random = state; }
};

/// Like `Drop`, and throws in the measuring forward.
struct ThrowsWhenMeasured : Drop {
  Tensor forward(const Tensor& x, Tensor& mask, PassContext& pass) {
    Tensor y = Drop::forward(x, mask, pass);
    if (pass.is_profiling()) throw std::runtime_error("the engine's own");
    return y;
  }
};

}  // namespace

TEST_CASE("the measuring forward leaves no trace in the engine's own state") {
  const auto masks_of = [](bool guards, bool measures) {
    Generator generator;
    std::vector<Drop> nodes(5, Drop{.generator = &generator, .guards_profiling = guards});
    auto graph = reprise::chain(nodes);
    NoStatistics tracker;
    reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
    reprise::RematStore store;
    reprise::Checkpointed net{graph, tracker, scheduler, store};
    const Tensor x{1.0F, 2.0F};
    if (!measures) {  // a forward of the same shape has measured before
      net.begin_step();
      static_cast<void>(net.forward(x));
      generator = {};
    }
    net.begin_step();
    const auto pass = net.forward(x);
    return std::pair(pass.output(), generator.random);
  };
  const auto expected = masks_of(false, false);
  CHECK(masks_of(false, true) == expected);
  CHECK(masks_of(true, true) == expected);
  CHECK(masks_of(true, false) == expected);
}

TEST_CASE("a measuring forward that throws puts the engine's own state back") {
  Generator generator;
  std::vector<ThrowsWhenMeasured> nodes(2);
  for (ThrowsWhenMeasured& node : nodes) node.generator = &generator;
  auto graph = reprise::chain(nodes);
  NoStatistics tracker;
  reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
  reprise::RematStore store;
  reprise::Checkpointed net{graph, tracker, scheduler, store};
  net.begin_step();
  const Tensor x{1.0F};
  CHECK_THROWS_AS(static_cast<void>(net.forward(x)), std::runtime_error);
  CHECK(generator.draws == 1);
  CHECK(generator.random == Generator{}.random);
}

TEST_CASE("a generator of the engine's own is no false alarm, and moves as in one pass") {
  for (const bool guards : {false, true}) {
    for (const bool in_backward : {false, true}) {
      for (const bool in_turn : {false, true}) {
        CAPTURE(guards);
        CAPTURE(in_backward);
        CAPTURE(in_turn);
        Generator generator;
        std::vector<Drop> nodes(5, Drop{.generator = &generator,
                                        .guards_profiling = guards,
                                        .draws_in_backward = in_backward});
        auto graph = reprise::chain(nodes);
        const auto loss = [&](auto&&) {
          return std::vector<Tensor>{{in_turn ? static_cast<float>(nodes[0].draw()) : 1.0F}};
        };
        const auto after_one_pass = [&](auto planner) {
          generator = {};
          NoStatistics tracker;
          reprise::CheckpointScheduler scheduler{std::move(planner)};
          reprise::RematStore store;
          reprise::Checkpointed net{graph, tracker, scheduler, store};
          net.begin_step();
          const Tensor x{1.0F};
          auto pass = net.forward(x);
          net.backward(std::move(pass), loss(0)[0]);
          return generator.random;
        };
        const std::minstd_rand expected = after_one_pass(reprise::StoreAll{});
        CHECK(after_one_pass(reprise::RecomputeAll{}) == expected);
        generator = {};
        CHECK_NOTHROW(verify(graph, reprise::RecomputeAll{}, loss));
        CHECK(generator.random == expected);
        generator = {};
        CHECK_NOTHROW(verify(graph, reprise::StoreAll{}, loss));
        CHECK(generator.random == expected);

        generator = {};
        reprise::RematStore store{reprise::DtrEqClass{}, {.budget = 40}};
        reprise::Checkpointed net{graph, store};
        net.begin_step();
        const Tensor x{1.0F};
        CHECK_NOTHROW(net.verify_step(
            loss, [] {}, x));
        CHECK(generator.random == expected);
      }
    }
  }
}

TEST_CASE("a mask that a plan changes is found, whatever the engine's own state") {
  struct Forgets : Drop {
    void restore_state(const std::minstd_rand&) const {}
  };
  Generator generator;
  std::vector<Forgets> nodes(3);
  for (Forgets& node : nodes) node.generator = &generator;
  auto graph = reprise::chain(nodes);
  CHECK_THROWS_AS(verify(graph, reprise::RecomputeAll{}), reprise::ReplayMismatch);
}
