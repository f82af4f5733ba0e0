// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <reprise/eviction/dtr.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/eviction/dtr_local.hpp>
#include <reprise/eviction/largest.hpp>
#include <reprise/eviction/lru.hpp>
#include <reprise/eviction/msps.hpp>
#include <reprise/store/operation_store.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/counting_tensor.hpp"
#include "support/seed.hpp"

namespace {

using Tensor = reprise_test::BasicCountingTensor<double>;
using reprise_test::CountingMemory;

struct Seen {
  reprise::StoreEvent::Kind kind;
  std::uint64_t number;
  std::uint64_t clock;
  std::uint64_t live;
  std::uint64_t during;

  bool operator==(const Seen&) const = default;
};

auto record(std::vector<Seen>& into) {
  return [&into](const reprise::StoreEvent& event) {
    into.push_back({event.kind, event.number, event.clock, event.live_bytes, event.during_bytes});
  };
}

/// An engine that hands over random operations, keeps what each value must be, and drives a store
/// of sizes alone beside the real one.
template <class Policy>
class Engine {
 public:
  using Store = reprise::OperationStore<Tensor, Policy>;
  using Sizes = reprise::OperationStore<reprise::SizesOnly, Policy>;
  using Compute =
      std::function<void(std::span<Tensor* const>, std::span<Tensor>, const reprise::PassContext&)>;

  Engine(reprise::byte_count budget, std::mt19937_64& random)
      : store(budget), sizes(budget), random_(&random) {
    store.observe(record(of_store));
    sizes.observe(record(of_sizes));
    Tensor x(memory_of_constants, 4);
    for (std::size_t i = 0; i < 4; ++i) x[i] = 0.25 * static_cast<double>(i + 1);
    values.push_back({.real = store.constant(x), .size = sizes.constant({})});
    values.back().expected = {x[0], x[1], x[2], x[3]};
  }

  // Recomputing locks what it reads, level by level: a budget this small may be too small for that.
  void step() {
    try {
      act();
    } catch (const reprise::BudgetExceeded&) {
      ++refusals;
    }
  }

  void check(std::size_t i) {
    const auto& expected = values[i].expected;
    const auto pin = store.pin(values[i].real);
    const auto of_sizes_too = sizes.pin(values[i].size);
    REQUIRE((*pin).size() == expected.size());
    for (std::size_t k = 0; k < expected.size(); ++k) REQUIRE((*pin)[k] == expected[k]);
  }

  void check_all() {
    for (std::size_t i = 0; i < values.size(); ++i) {
      try {
        if (values[i].real) check(i);
      } catch (const reprise::BudgetExceeded&) {
        ++refusals;
      }
    }
  }

  struct Made {
    typename Store::Handle real;
    typename Sizes::Handle size;
    std::vector<double> expected{};
  };

  CountingMemory memory_of_constants;
  CountingMemory memory;
  std::uint64_t reruns = 0;
  std::uint64_t refusals = 0;
  std::optional<std::uint64_t> throws_at{};  ///< of the function calls from now on
  std::uint64_t calls = 0;
  std::vector<Seen> of_store;
  std::vector<Seen> of_sizes;
  Store store;
  Sizes sizes;
  std::vector<Made> values;

  void act() {
    switch (pick(12)) {
      case 0:
      case 1:
      case 2:
        return release();
      case 3:
        return check(pick_held());
      case 4:
        return add_view();
      case 5:
      case 6:
        return add_two();
      case 7:
        return add_in_place();
      case 8:
        return update();
      case 9:
        return keep();
      default:
        return add_sum();
    }
  }

  // z = 0.5 (a + b) + noise of the operation's own stream
  void add_sum() {
    const std::size_t a = pick_held();
    const std::size_t b = pick_held();
    const std::size_t size = std::min(values[a].expected.size(), values[b].expected.size());
    add({a, b}, {{.bytes = 8 * size}}, {}, [this, size](auto inputs, auto outputs, auto& pass) {
      outputs[0] = Tensor(memory, size);
      for (std::size_t k = 0; k < size; ++k) {
        outputs[0][k] = 0.5 * ((*inputs[0])[k] + (*inputs[1])[k]) + pass.random().uniform(k);
      }
    });
  }

 private:
  using Outputs = std::vector<typename Store::Output>;

  std::size_t pick(std::size_t n) { return static_cast<std::size_t>((*random_)() % n); }

  std::size_t pick_held() {
    for (;;) {
      const std::size_t i = pick(values.size());
      if (values[i].real) return i;
    }
  }

  void release() {
    const std::size_t i = pick_held();
    if (i == 0) return;
    values[i].real.reset();
    values[i].size.reset();
  }

  void keep() {
    const std::size_t i = pick_held();
    if (pick(6) != 0 || values[i].expected.size() > 2) return;  // little, or nothing fits any more
    try {
      store.keep(values[i].real);
    } catch (const reprise::InvalidState&) {
      REQUIRE_THROWS_AS(sizes.keep(values[i].size), reprise::InvalidState);
      return;  // something takes over its memory when it runs again
    }
    sizes.keep(values[i].size);
  }

  void add_view() {
    add({pick_held()}, {{.view_of = 0}}, {},
        [](auto inputs, auto outputs, auto&) { outputs[0] = *inputs[0]; });
  }

  void add_two() {
    const std::size_t size = 1 + pick(6);
    add({pick_held()}, {{.bytes = 8}, {.bytes = 8 * size}}, {},
        [this, size](auto inputs, auto outputs, auto&) {
          outputs[0] = Tensor(memory, 1);
          outputs[1] = Tensor(memory, size);
          outputs[0][0] = (*inputs[0])[0] + 1;
          for (std::size_t k = 0; k < size; ++k) outputs[1][k] = (*inputs[0])[0] * double(k);
        });
  }

  // Takes over the memory of what it reads; constants and kept values are refused.
  void add_in_place() {
    const std::size_t a = pick_held();
    const std::size_t size = values[a].expected.size();
    try {
      add({a}, {{.bytes = 8 * size}}, {0}, [](auto inputs, auto outputs, auto&) {
        outputs[0] = std::exchange(*inputs[0], Tensor{});
        for (std::size_t k = 0; k < outputs[0].size(); ++k) outputs[0][k] *= 0.5;
      });
    } catch (const reprise::InvalidArgument&) {
    }
  }

  void update() {
    const std::size_t a = pick_held();
    const std::size_t size = values[a].expected.size();
    add({a}, {{.bytes = 8 * size}}, {}, [this, size](auto inputs, auto outputs, auto&) {
      outputs[0] = Tensor(memory, size);
      for (std::size_t k = 0; k < size; ++k) outputs[0][k] = (*inputs[0])[k] - 0.125;
    });
    if (a == 0) return;
    values[a] = std::move(values.back());  // the name means the new value
    values.pop_back();
  }

  void add(std::vector<std::size_t> inputs, const Outputs& outputs,
           std::vector<std::size_t> consumes, Compute compute) {
    typename Store::Request real{.cost = 1 + pick(9),
                                 .outputs = outputs,
                                 .transient_bytes = 8 * pick(4),
                                 .consumes = consumes};
    typename Sizes::Request size{
        .cost = real.cost, .transient_bytes = real.transient_bytes, .consumes = consumes};
    for (const auto& output : outputs) {
      size.outputs.push_back({.bytes = output.bytes, .view_of = output.view_of});
    }
    for (const std::size_t input : inputs) {
      real.inputs.push_back(values[input].real);
      size.inputs.push_back(values[input].size);
    }
    std::vector<std::vector<double>> expected(outputs.size());
    const auto first = &expected;
    real.run = [this, compute = std::move(compute), first](auto in, auto out, auto& pass) {
      if (throws_at && calls++ == *throws_at) throw std::runtime_error("the engine's own failure");
      compute(in, out, pass);
      if (pass.is_recompute()) {
        ++reruns;
        return;
      }
      for (std::size_t i = 0; i < out.size(); ++i) {
        for (std::size_t k = 0; k < out[i].size(); ++k) (*first)[i].push_back(out[i][k]);
      }
    };
    auto made = hand_over(real, size);
    for (std::size_t i = 0; i < made.first.size(); ++i) {
      values.push_back({std::move(made.first[i]), std::move(made.second[i]), expected[i]});
    }
  }

  auto hand_over(const typename Store::Request& real, const typename Sizes::Request& size) {
    std::pair<std::vector<typename Store::Handle>, std::vector<typename Sizes::Handle>> made;
    bool is_refused = false;
    try {
      made.first = store.run(real);
    } catch (const reprise::BudgetExceeded&) {
      is_refused = true;
    }
    if (is_refused) {
      REQUIRE_THROWS_AS(static_cast<void>(sizes.run(size)), reprise::BudgetExceeded);
      throw reprise::BudgetExceeded("refused by both", 0, 0);
    }
    made.second = sizes.run(size);
    return made;
  }

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

TEST_CASE_TEMPLATE("every value stays retrievable within the budget, as the sizes foretell", Policy,
                   reprise::Dtr, reprise::DtrEqClass, reprise::DtrLocal, reprise::Msps,
                   reprise::Lru, reprise::Largest, Opaque) {
  REPRISE_SEEDED(random);
  std::uint64_t reruns = 0;
  std::uint64_t refusals = 0;
  for (int round = 0; round < 40; ++round) {
    CAPTURE(round);
    const reprise::byte_count budget = 240 + 8 * (random() % 60);
    Engine<Policy> engine(budget, random);
    for (int step = 0; step < 120; ++step) {
      engine.step();
      REQUIRE(engine.memory.live == engine.store.live_bytes());
      REQUIRE(engine.memory.peak <= budget);
      REQUIRE(engine.store.account().peak_bytes() <= budget);
    }
    engine.check_all();
    REQUIRE(engine.of_store == engine.of_sizes);
    refusals += engine.refusals;
    reruns += engine.reruns;
    engine.values.clear();
    engine.store.make_room(engine.store.live_bytes());
    REQUIRE(engine.memory.live == 0);
    REQUIRE(engine.store.live_bytes() == 0);
  }
  CHECK(reruns > 100);
  CHECK(refusals < 1000);  // of more than 5,000 steps and checks
}

TEST_CASE("the n-th call or allocation may fail, for every n, and nothing is lost") {
  REPRISE_SEEDED(random);
  for (int round = 0; round < 4; ++round) {
    const std::uint64_t seed = random();
    bool has_failed = true;
    for (std::uint64_t n = 0; has_failed; ++n) {
      CAPTURE(round);
      CAPTURE(n);
      std::mt19937_64 of_engine(seed);
      Engine<reprise::Dtr> engine(reprise::byte_count{400}, of_engine);
      if (n % 2 == 0) {
        engine.throws_at = n / 2;
      } else {
        engine.memory.fails_at = n / 2;
      }
      has_failed = false;
      for (int step = 0; step < 60; ++step) {
        try {
          engine.step();
        } catch (const std::bad_alloc&) {
          has_failed = true;
        } catch (const std::runtime_error&) {
          has_failed = true;
        }
        REQUIRE(engine.memory.live == engine.store.live_bytes());
      }
      engine.throws_at.reset();
      engine.memory.fails_at.reset();
      engine.check_all();
      REQUIRE(engine.memory.peak <= 400);
      engine.values.clear();
      engine.store.make_room(engine.store.live_bytes());
      REQUIRE(engine.memory.live == 0);
    }
  }
}

TEST_CASE("a chain of 100,000 operations is recomputed from its first") {
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
  bool has_run = false;
  two.run = [&](auto, auto, auto&) { has_run = true; };
  CHECK_THROWS_WITH_AS(store.update(x, two), "an update makes one value, not 2",
                       reprise::InvalidArgument);
  CHECK(!has_run);
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

TEST_CASE("recomputing may take over what an operation further up was about to read") {
  Store store(reprise::unlimited_bytes);
  auto x = std::move(store.run(make(4, 1))[0]);
  auto in_place = plus_one(x, 4);
  in_place.consumes = {0};
  auto y = std::move(store.run(in_place)[0]);
  store.make_room(16);
  static_cast<void>(store.pin(x));
  auto both = plus_one(x, 4);  // x is here, y must be made from it
  both.inputs.push_back(y);
  both.run = [](auto inputs, auto outputs, auto&) {
    outputs[0].assign(4, (*inputs[0])[0] + 10 * (*inputs[1])[0]);
  };
  CHECK((*store.pin(store.run(both)[0]))[0] == 21);
  const auto pin = store.pin(x);
  CHECK(store.evict(y));
  CHECK_THROWS_WITH_AS(static_cast<void>(store.pin(y)),
                       "operation 1 takes over input 0, which is pinned", reprise::InvalidState);
  CHECK_THROWS_WITH_AS(
      store.keep(x), "value 0 cannot be kept: 1 operations that may run again take over its memory",
      reprise::InvalidState);
  auto twice = in_place;
  twice.inputs.push_back(x);
  CHECK_THROWS_WITH_AS(static_cast<void>(store.run(twice)),
                       "an operation cannot take over input 0 and read it as input 1 too",
                       reprise::InvalidArgument);
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
  CHECK_THROWS_WITH_AS(
      static_cast<void>(store.run(make(17, 0))),
      "operation 2 needs 68 bytes of a budget of 64, and nothing is left to evict: "
      "0 bytes are here",
      reprise::BudgetExceeded);
  const auto weight = store.constant({}, 4);
  {
    const auto pin = store.pin(x);
    CHECK_THROWS_WITH_AS(
        static_cast<void>(store.run(make(16, 0))),
        "operation 3 needs 84 bytes of a budget of 64, and nothing is left to evict: "
        "20 bytes are here (pinned or read value 0: 16, kept constant: 4)",
        reprise::BudgetExceeded);
  }
  request = plus_one(weight, 0);
  request.consumes = {0};
  CHECK_THROWS_WITH_AS(static_cast<void>(store.run(request)),
                       "an operation cannot take over input 0, which is a constant or was kept",
                       reprise::InvalidArgument);
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
