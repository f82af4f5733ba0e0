// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <reprise/eviction/dtr.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/eviction/dtr_local.hpp>
#include <reprise/eviction/largest.hpp>
#include <reprise/eviction/lru.hpp>
#include <reprise/eviction/msps.hpp>
#include <reprise/store/operation_store.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/counting_tensor.hpp"
#include "support/seed.hpp"

namespace {

using Tensor = reprise_test::BasicCountingTensor<double>;
using reprise_test::CountingMemory;

/// An engine that hands over random operations and knows what each value must be.
template <class Policy>
class Engine {
 public:
  using Store = reprise::OperationStore<Tensor, Policy>;

  Engine(reprise::byte_count budget, std::mt19937_64& random) : store(budget), random_(&random) {
    Tensor x(memory_of_constants, 4);
    for (std::size_t i = 0; i < 4; ++i) x[i] = 0.25 * static_cast<double>(i + 1);
    expected.push_back({x[0], x[1], x[2], x[3]});
    handles.push_back(store.constant(x));
  }

  std::size_t pick(std::size_t n) { return static_cast<std::size_t>((*random_)() % n); }

  std::size_t pick_held() {
    for (;;) {
      const std::size_t i = pick(handles.size());
      if (handles[i]) return i;
    }
  }

  // Remaking locks what it reads, level by level: a budget this small may be too small for that.
  void step() {
    try {
      act();
    } catch (const reprise::BudgetExceeded&) {
      ++refusals;
    }
  }

  void act() {
    switch (pick(8)) {
      case 0:
      case 1:
        return release();
      case 2:
        return check(pick_held());
      case 3:
        return add_view();
      case 4:
        return add_two();
      default:
        return add_sum();
    }
  }

  void release() {
    const std::size_t i = pick_held();
    if (i != 0) handles[i].reset();
  }

  void check(std::size_t i) {
    const auto pin = store.pin(handles[i]);
    REQUIRE((*pin).size() == expected[i].size());
    for (std::size_t k = 0; k < expected[i].size(); ++k) REQUIRE((*pin)[k] == expected[i][k]);
  }

  // z = 0.5 (a + b) + noise of the operation's own stream
  void add_sum() {
    const std::size_t a = pick_held();
    const std::size_t b = pick_held();
    const std::size_t size = std::min(expected[a].size(), expected[b].size());
    std::vector<double> z(size);
    const auto compute = [size](const auto& x, const auto& y, auto& into,
                                const reprise::PassContext& pass) {
      for (std::size_t k = 0; k < size; ++k) {
        into[k] = 0.5 * (x[k] + y[k]) + pass.random().uniform(k);
      }
    };
    std::optional<reprise::PassContext> first;
    auto made = store.run({.cost = 1 + pick(9),
                           .inputs = {handles[a], handles[b]},
                           .outputs = {{.bytes = size * sizeof(double)}},
                           .transient_bytes = 8 * pick(4),
                           .run = [this, compute, size, &first, &z, is_first = true](
                                      auto inputs, auto outputs, auto& pass) mutable {
                             outputs[0] = Tensor(memory, size);
                             compute(*inputs[0], *inputs[1], outputs[0], pass);
                             if (pass.is_recompute()) {
                               ++reruns;
                             } else {
                               for (std::size_t k = 0; k < size; ++k) z[k] = outputs[0][k];
                             }
                           }});
    expected.push_back(z);
    handles.push_back(std::move(made[0]));
  }

  void add_view() {
    const std::size_t a = pick_held();
    auto made =
        store.run({.cost = 1,
                   .inputs = {handles[a]},
                   .outputs = {{.view_of = 0}},
                   .run = [](auto inputs, auto outputs, auto&) { outputs[0] = *inputs[0]; }});
    expected.push_back(expected[a]);
    handles.push_back(std::move(made[0]));
  }

  void add_two() {
    const std::size_t a = pick_held();
    const std::size_t size = 1 + pick(6);
    auto made = store.run({.cost = 2,
                           .inputs = {handles[a]},
                           .outputs = {{.bytes = 8}, {.bytes = 8 * size}},
                           .run = [this, size](auto inputs, auto outputs, auto&) {
                             outputs[0] = Tensor(memory, 1);
                             outputs[1] = Tensor(memory, size);
                             outputs[0][0] = (*inputs[0])[0] + 1;
                             for (std::size_t k = 0; k < size; ++k)
                               outputs[1][k] = (*inputs[0])[0] * double(k);
                           }});
    std::vector<double> second(size);
    for (std::size_t k = 0; k < size; ++k) second[k] = expected[a][0] * static_cast<double>(k);
    expected.push_back({expected[a][0] + 1});
    expected.push_back(second);
    for (auto& handle : made) handles.push_back(std::move(handle));
  }

  CountingMemory memory_of_constants;
  CountingMemory memory;
  std::uint64_t reruns = 0;
  std::uint64_t refusals = 0;
  Store store;
  std::vector<typename Store::Handle> handles;
  std::vector<std::vector<double>> expected;

 private:
  std::mt19937_64* random_;
};

struct Opaque {
  [[nodiscard]] double score(const reprise::Candidate& candidate) const {
    return static_cast<double>(candidate.cost() + candidate.evicted_ancestors());
  }
};

using Store = reprise::OperationStore<std::vector<float>, reprise::Lru>;

Store::Request make(std::size_t size, float value) {
  return {.cost = 1,
          .outputs = {{.bytes = size * sizeof(float)}},
          .run = [=](auto, auto outputs, auto&) { outputs[0].assign(size, value); }};
}
Store::Request plus_one(const Store::Handle& x, std::size_t size) {
  return {.cost = 1,
          .inputs = {x},
          .outputs = {{.bytes = size * sizeof(float)}},
          .run = [](auto inputs, auto outputs, auto&) {
            outputs[0] = *inputs[0];
            for (float& v : outputs[0]) v += 1;
          }};
}

}  // namespace

TEST_CASE_TEMPLATE("every value stays retrievable within the budget, to the bit", Policy,
                   reprise::Dtr, reprise::DtrEqClass, reprise::DtrLocal, reprise::Msps,
                   reprise::Lru, reprise::Largest, Opaque) {
  REPRISE_SEEDED(random);
  std::uint64_t reruns = 0;
  std::uint64_t refusals = 0;
  for (int round = 0; round < 40; ++round) {
    CAPTURE(round);
    const reprise::byte_count budget = 160 + 8 * (random() % 60);
    Engine<Policy> engine(budget, random);
    for (int step = 0; step < 120; ++step) {
      engine.step();
      REQUIRE(engine.memory.live == engine.store.live_bytes());
      REQUIRE(engine.memory.peak <= budget);
      REQUIRE(engine.store.account().peak_bytes() <= budget);
    }
    for (std::size_t i = 0; i < engine.handles.size(); ++i) {
      if (!engine.handles[i]) continue;
      try {
        engine.check(i);
      } catch (const reprise::BudgetExceeded&) {
        ++engine.refusals;
      }
    }
    refusals += engine.refusals;
    reruns += engine.reruns;
    engine.handles.clear();
    engine.store.make_room(engine.store.live_bytes());
    REQUIRE(engine.memory.live == 0);
    REQUIRE(engine.store.live_bytes() == 0);
  }
  CHECK(reruns > 100);
  CHECK(refusals < 40);  // of some 5,000 steps
}

TEST_CASE("a chain of 100,000 operations is remade from its first") {
  using Chain = reprise::OperationStore<std::vector<float>, reprise::DtrEqClass>;
  Chain store(reprise::byte_count{64});
  std::vector<Chain::Handle> chain;
  chain.push_back(store.constant(std::vector<float>(1, 0.0F)));
  for (int i = 0; i < 100'000; ++i) {
    auto made = store.run({.cost = 1,
                           .inputs = {chain.back()},
                           .outputs = {{.bytes = 4}},
                           .run = [](auto inputs, auto outputs, auto&) {
                             outputs[0].assign(1, (*inputs[0])[0] + 1);
                           }});
    chain.push_back(std::move(made[0]));
  }
  // Only sixteen values fit: this one goes back to wherever the nearest survivor is.
  store.make_room(64);
  const auto pin = store.pin(chain[99'999]);
  CHECK((*pin)[0] == 99'999.0F);
  CHECK(store.recomputed_cost() >= 99'999);
  CHECK(store.account().peak_bytes() <= 64);
}

TEST_CASE(
    "a released value gives its bytes back at once and stays as a recipe while it is needed") {
  Store store(reprise::unlimited_bytes);
  auto a = std::move(store.run(make(4, 1))[0]);
  auto b = std::move(store.run(plus_one(a, 4))[0]);
  a.reset();
  CHECK(store.live_bytes() == 16);
  store.make_room(16);
  CHECK(store.live_bytes() == 0);
  CHECK((*store.pin(b))[0] == 2);
  CHECK(store.recomputed_cost() == 2);
}

TEST_CASE("recipes are forgotten when nothing may need them") {
  Store store(reprise::unlimited_bytes);
  const auto captured = std::make_shared<int>(0);
  {
    auto request = make(4, 1);
    request.run = [captured, inner = std::move(request.run)](auto i, auto o, auto& p) {
      inner(i, o, p);
    };
    auto a = std::move(store.run(request)[0]);
    auto b = std::move(store.run(plus_one(a, 4))[0]);
    request.run = nullptr;
    a.reset();
    CHECK(captured.use_count() == 2);
    b.reset();
  }
  CHECK(captured.use_count() == 1);
}

TEST_CASE("a long training does not remember its past") {
  Store store(reprise::byte_count{1024});
  auto weight = std::move(store.run(make(4, 0))[0]);
  store.keep(weight);
  std::size_t most = 0;
  for (int step = 0; step < 20'000; ++step) {
    auto a = std::move(store.run(plus_one(weight, 4))[0]);
    auto b = std::move(store.run(plus_one(a, 4))[0]);
    store.update(weight, plus_one(b, 4));
    store.keep(weight);
    most = std::max(most, store.remembered());
  }
  CHECK(most < 3000);
  CHECK((*store.pin(weight))[0] == 60'000);
}

TEST_CASE("an update leaves the old value to whoever holds it") {
  Store store(reprise::unlimited_bytes);
  auto x = std::move(store.run(make(2, 5))[0]);
  const Store::Handle old = x;
  store.update(x, plus_one(x, 2));
  CHECK((*store.pin(x))[0] == 6);
  CHECK((*store.pin(old))[0] == 5);
  auto two = make(1, 0);
  two.outputs.push_back({.bytes = 4});
  two.run = [](auto, auto, auto&) {};
  CHECK_THROWS_WITH_AS(store.update(x, two), "an update makes one value, not 2",
                       reprise::InvalidArgument);
}

TEST_CASE("what cannot be repeated stays until it is released") {
  Store store(reprise::byte_count{16});
  auto request = make(2, 1);
  request.repeatable = false;
  auto kept = std::move(store.run(request)[0]);
  CHECK(store.make_room(8) == 0);
  CHECK(store.is_present(kept));
  CHECK_THROWS_AS(static_cast<void>(store.run(make(4, 0))), reprise::BudgetExceeded);
  kept.reset();
  CHECK(store.live_bytes() == 0);
  CHECK(store.run(make(4, 0)).size() == 1);
}

TEST_CASE("an operation may take over an input's memory") {
  Store store(reprise::byte_count{16});
  auto x = std::move(store.run(make(4, 1))[0]);
  auto request = plus_one(x, 4);
  request.consumes = {0};
  request.run = [](auto inputs, auto outputs, auto&) {
    outputs[0] = std::move(*inputs[0]);
    for (float& v : outputs[0]) v += 1;
  };
  auto y = std::move(store.run(request)[0]);
  CHECK(store.account().peak_bytes() == 16);
  CHECK_FALSE(store.is_present(x));
  CHECK((*store.pin(y))[0] == 2);
  store.make_room(16);
  CHECK((*store.pin(y))[0] == 2);
  CHECK(store.account().peak_bytes() == 16);
}

TEST_CASE("a pin holds, and make_room takes the rest") {
  Store store(reprise::byte_count{32});
  auto a = std::move(store.run(make(4, 1))[0]);
  auto b = std::move(store.run(make(4, 2))[0]);
  {
    const auto pin = store.pin(a);
    CHECK(store.make_room(100) == 16);
    CHECK(store.is_present(a));
    CHECK_FALSE(store.is_present(b));
    CHECK_FALSE(store.evict(a));
  }
  CHECK(store.evict(a));
  CHECK(store.live_bytes() == 0);
}

TEST_CASE("a function that throws leaves everything retrievable") {
  REPRISE_SEEDED(random);
  for (int fails_at = 0; fails_at < 12; ++fails_at) {
    CAPTURE(fails_at);
    Store store(reprise::byte_count{32});
    int calls = 0;
    bool is_armed = false;
    std::vector<Store::Handle> chain;
    chain.push_back(store.constant(std::vector<float>(4, 0.0F)));
    for (int i = 0; i < 8; ++i) {
      auto request = plus_one(chain.back(), 4);
      request.run = [&, inner = std::move(request.run)](auto in, auto out, auto& pass) {
        if (is_armed && calls++ == fails_at) throw std::runtime_error("the engine's own");
        inner(in, out, pass);
      };
      chain.push_back(std::move(store.run(request)[0]));
    }
    store.make_room(32);
    is_armed = true;
    const auto use = [&] {
      auto request = plus_one(chain.back(), 4);
      request.run = [&, inner = std::move(request.run)](auto in, auto out, auto& pass) {
        if (is_armed && calls++ == fails_at) throw std::runtime_error("the engine's own");
        inner(in, out, pass);
      };
      return std::move(store.run(request)[0]);
    };
    if (fails_at < 9) {
      CHECK_THROWS_WITH_AS(static_cast<void>(use()), "the engine's own", std::runtime_error);
    }
    is_armed = false;
    CHECK((*store.pin(use()))[0] == 9);
    for (std::size_t i = 0; i < chain.size(); ++i) {
      CHECK((*store.pin(chain[i]))[0] == static_cast<float>(i));
    }
    chain.clear();
    store.make_room(32);
    CHECK(store.live_bytes() == 0);
  }
}

TEST_CASE("wrong requests are refused with their numbers") {
  Store store(reprise::byte_count{64});
  Store other(reprise::byte_count{64});
  auto x = std::move(store.run(make(4, 1))[0]);
  CHECK_THROWS_WITH_AS(static_cast<void>(other.run(plus_one(x, 4))), "a handle of another store",
                       reprise::InvalidArgument);
  CHECK_THROWS_WITH_AS(static_cast<void>(store.run(plus_one({}, 4))), "an empty handle",
                       reprise::InvalidArgument);
  auto request = plus_one(x, 4);
  request.outputs[0].view_of = 3;
  CHECK_THROWS_WITH_AS(static_cast<void>(store.run(request)), "a view of input 3 of 1",
                       reprise::InvalidArgument);
  request = plus_one(x, 2);  // makes 16 bytes
  CHECK_THROWS_WITH_AS(static_cast<void>(store.run(request)),
                       "output 0 of operation 1 takes 16 bytes, and was said to take 8",
                       reprise::ProfileMismatch);
  CHECK_THROWS_WITH_AS(static_cast<void>(store.run(make(17, 0))),
                       "operation 2 needs 68 bytes of a budget of 64, and nothing is left to evict",
                       reprise::BudgetExceeded);
  request = plus_one(x, 4);
  request.run = [&](auto, auto, auto&) { static_cast<void>(store.run(make(1, 0))); };
  CHECK_THROWS_AS(static_cast<void>(store.run(request)), reprise::InvalidState);
  CHECK((*store.pin(x))[0] == 1);
}

TEST_CASE("handles may outlive their store") {
  std::optional<Store> store(std::in_place, reprise::byte_count{64});
  auto x = std::move(store->run(make(4, 1))[0]);
  Store::Handle copy = x;
  store.reset();
  copy.reset();
  CHECK(x);
}

TEST_CASE("stores share an account") {
  const auto account = std::make_shared<reprise::MemoryAccount>(32);
  Store a(account);
  Store b(account);
  auto x = std::move(a.run(make(4, 1))[0]);
  auto y = std::move(b.run(make(4, 2))[0]);
  CHECK(account->live_bytes() == 32);
  CHECK_THROWS_AS(static_cast<void>(a.run(make(8, 0))), reprise::BudgetExceeded);
  y.reset();
  CHECK(a.run(make(4, 0)).size() == 1);
}

TEST_CASE("a simulation of the same sizes is the real run, event for event") {
  struct Seen {
    reprise::StoreEvent::Kind kind;
    std::uint64_t number;
    std::uint64_t clock;
    std::uint64_t live;
    bool operator==(const Seen&) const = default;
  };
  REPRISE_SEEDED(random);
  for (int round = 0; round < 30; ++round) {
    reprise::OperationStore<std::vector<float>, reprise::Dtr> real(reprise::byte_count{200});
    reprise::OperationStore<reprise::NoPayload, reprise::Dtr> simulated(reprise::byte_count{200});
    std::vector<Seen> of_real;
    std::vector<Seen> of_simulated;
    const auto record = [](std::vector<Seen>& into) {
      return [&into](const reprise::StoreEvent& e) {
        into.push_back({e.kind, e.number, e.clock, e.live_bytes});
      };
    };
    real.observe(record(of_real));
    simulated.observe(record(of_simulated));
    std::vector<decltype(real)::Handle> a{real.constant({})};
    std::vector<decltype(simulated)::Handle> b{simulated.constant({})};
    for (int step = 0; step < 100; ++step) {
      const std::size_t i = random() % a.size();
      const std::size_t size = 1 + random() % 8;
      const std::uint64_t cost = random() % 5;
      if (i > 0 && random() % 3 == 0) {
        a.erase(a.begin() + static_cast<std::ptrdiff_t>(i));
        b.erase(b.begin() + static_cast<std::ptrdiff_t>(i));
        continue;
      }
      a.push_back(std::move(
          real.run({.cost = cost,
                    .inputs = {a[i]},
                    .outputs = {{.bytes = 4 * size}},
                    .run = [size](auto, auto out, auto&) { out[0].assign(size, 1.0F); }})[0]));
      b.push_back(std::move(
          simulated.run({.cost = cost, .inputs = {b[i]}, .outputs = {{.bytes = 4 * size}}})[0]));
    }
    REQUIRE(of_real == of_simulated);
  }
}
