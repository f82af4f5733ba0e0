// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// A pass that failed has not been: tried again, with `begin_step` or without, it draws the random
// numbers that it would have drawn.

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/core/chain.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/store/remat_store.hpp>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "support/random_step.hpp"

namespace {

using Tensor = std::vector<double>;
using Numbers = std::vector<double>;

constexpr std::size_t width = 6;

struct Engine {
  std::uint64_t calls = 0;
  std::optional<std::uint64_t> throws_at{};

  void count_call() {
    if (throws_at && calls == *throws_at) {
      throws_at.reset();
      throw std::runtime_error("a kernel failed");
    }
    ++calls;
  }
};

/// Multiplies by random numbers.
struct Noise {
  using tensor_type = Tensor;
  using saved_type = Tensor;
  Engine* engine;

  Tensor forward(const Tensor& x, Tensor& factors, reprise::PassContext& pass) const {
    if (!pass.is_profiling()) engine->count_call();
    factors.resize(x.size());
    Tensor y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      factors[i] = 0.5 + pass.random().uniform(i);
      y[i] = factors[i] * x[i];
    }
    return y;
  }
  Tensor backward(Tensor& factors, const Tensor& dy, reprise::PassContext&) const {
    engine->count_call();
    Tensor dx(dy.size());
    for (std::size_t i = 0; i < dy.size(); ++i) dx[i] = factors[i] * dy[i];
    return dx;
  }
};

/// The gradient of the input, which has all random numbers in it, of one micro-batch.
template <class Net>
Numbers run_pass(Net& net, const Tensor& x) {
  auto pass = net.forward(x);
  return net.backward(std::move(pass), Tensor(x.size(), 1.0))[0];
}

/// Runs two steps of three micro-batches; one that fails is tried again.
template <class Net>
std::vector<Numbers> train(Net& net) {
  const Tensor x(width, 1.0);
  std::vector<Numbers> all;
  for (int step = 0; step < 2; ++step) {
    net.begin_step();
    for (int micro_batch = 0; micro_batch < 3; ++micro_batch) {
      try {
        all.push_back(run_pass(net, x));
      } catch (const std::runtime_error&) {
        all.push_back(run_pass(net, x));
      }
    }
    net.end_step();
  }
  return all;
}

template <class F>
auto under_a_plan(Engine& engine, reprise::byte_count budget, reprise::CheckpointedOptions options,
                  F&& f) {
  std::vector<Noise> nodes(4, Noise{&engine});
  auto graph = reprise::chain(nodes);
  reprise_test::NoStatistics tracker;
  reprise::CheckpointScheduler scheduler{reprise::RecomputeAll{}};
  reprise::RematStore store{{.budget = budget}};
  reprise::Checkpointed net{graph, tracker, scheduler, store, std::move(options)};
  return f(net);
}

template <class F>
auto under_a_policy(Engine& engine, reprise::byte_count budget,
                    reprise::CheckpointedOptions options, F&& f) {
  std::vector<Noise> nodes(4, Noise{&engine});
  auto graph = reprise::chain(nodes);
  reprise::RematStore store{reprise::DtrEqClass{}, {.budget = budget}};
  reprise::Checkpointed net{graph, store, std::move(options)};
  return f(net);
}

/// Lets each call of a node fail once; `with` runs a function with a fresh object.
template <class With>
void check_each_call(With&& with) {
  Engine sound;
  const std::vector<Numbers> expected = with(sound);
  REQUIRE(expected.size() == 6);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) REQUIRE(expected[i] != expected[j]);
  }
  for (std::uint64_t call = 0; call < sound.calls; ++call) {
    CAPTURE(call);
    Engine engine{.throws_at = call};
    CHECK(with(engine) == expected);
    CHECK_FALSE(engine.throws_at.has_value());
  }
}

/// Passes that do not fit are tried between those that do.
template <class TooLarge, class Net>
void check_between(Net& net, const Numbers& first, const Numbers& second) {
  const Tensor x(width, 1.0);
  const Tensor large(100 * width, 1.0);
  net.begin_step();
  CHECK_THROWS_AS(static_cast<void>(net.forward(large)), TooLarge);
  CHECK(run_pass(net, x) == first);
  CHECK_THROWS_AS(static_cast<void>(net.forward(large)), TooLarge);
  CHECK_THROWS_AS(static_cast<void>(net.forward(large)), TooLarge);
  CHECK(run_pass(net, x) == second);
  net.end_step();
}

}  // namespace

TEST_CASE("a micro-batch that failed at any call draws the same numbers in the same step") {
  SUBCASE("under a plan") {
    check_each_call([](Engine& engine) {
      return under_a_plan(engine, reprise::unlimited_bytes, {},
                          [](auto& net) { return train(net); });
    });
  }
  SUBCASE("under an online policy") {
    check_each_call([](Engine& engine) {
      constexpr reprise::byte_count budget = 9 * width * sizeof(double);
      return under_a_policy(engine, budget, {}, [](auto& net) { return train(net); });
    });
  }
}

TEST_CASE("a pass for which there is no room takes no number") {
  constexpr reprise::byte_count budget = 20 * width * sizeof(double);
  Engine engine;
  const auto expected =
      under_a_plan(engine, reprise::unlimited_bytes, {}, [](auto& net) { return train(net); });
  under_a_plan(engine, budget, {}, [&](auto& net) {
    check_between<reprise::BudgetInfeasible>(net, expected[0], expected[1]);
  });
  under_a_policy(engine, budget, {}, [&](auto& net) {
    check_between<reprise::BudgetExceeded>(net, expected[0], expected[1]);
  });
}

TEST_CASE("a failed backward gives its number back among other passes in flight") {
  const Tensor x(width, 1.0);
  Engine engine;
  const auto expected =
      under_a_plan(engine, reprise::unlimited_bytes, {}, [](auto& net) { return train(net); });
  const auto check = [&](auto& net) {
    const auto backward = [&](auto& pass) {
      return net.backward(std::move(pass), Tensor(width, 1.0))[0];
    };
    net.begin_step();
    auto first = net.forward(x);
    auto second = net.forward(x);
    engine.throws_at = engine.calls;
    CHECK_THROWS_AS(backward(first), std::runtime_error);
    engine.throws_at = engine.calls;
    CHECK_THROWS_AS(static_cast<void>(net.forward(x)), std::runtime_error);
    auto again = net.forward(x);
    CHECK(backward(second) == expected[1]);
    CHECK(backward(again) == expected[0]);
    auto third = net.forward(x);
    CHECK(backward(third) == expected[2]);
    net.end_step();
  };
  under_a_plan(engine, reprise::unlimited_bytes, {.passes_in_flight = 2}, check);
  under_a_policy(engine, reprise::unlimited_bytes, {.passes_in_flight = 2}, check);
}

TEST_CASE("gradients that backward refuses end the pass, which can be tried again") {
  const Tensor x(width, 1.0);
  Engine engine;
  const auto expected =
      under_a_plan(engine, reprise::unlimited_bytes, {}, [](auto& net) { return train(net); });
  under_a_plan(engine, reprise::unlimited_bytes, {}, [&](auto& net) {
    net.begin_step();
    auto pass = net.forward(x);
    CHECK_THROWS_AS(net.backward(std::move(pass)), reprise::InvalidArgument);
    CHECK(run_pass(net, x) == expected[0]);
  });
}

TEST_CASE("a step that is begun again draws its numbers anew; a cancelled pass keeps its own") {
  const Tensor x(width, 1.0);
  Engine engine;
  const auto expected =
      under_a_plan(engine, reprise::unlimited_bytes, {}, [](auto& net) { return train(net); });
  under_a_plan(engine, reprise::unlimited_bytes, {}, [&](auto& net) {
    net.begin_step();
    { const auto cancelled = net.forward(x); }
    CHECK(run_pass(net, x) == expected[1]);
    engine.throws_at = engine.calls + 5;
    CHECK_THROWS_AS(static_cast<void>(run_pass(net, x)), std::runtime_error);
    net.begin_step();
    for (std::size_t i = 0; i < 3; ++i) CHECK(run_pass(net, x) == expected[i]);
    net.end_step();
    net.begin_step();
    CHECK(run_pass(net, x) == expected[3]);
  });
}
