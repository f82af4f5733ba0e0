// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// What a store of operations refuses, and what it does where a simpler one would be wrong in
// silence: memory that is taken over, reruns that differ, inputs that were changed since.

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/eviction/lru.hpp>
#include <reprise/store/memory_account.hpp>
#include <reprise/store/operation_store.hpp>
#include <reprise/store/operation_store_options.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/counting_tensor.hpp"

namespace {

using Numbers = std::vector<double>;
using Store = reprise::OperationStore<Numbers, reprise::Lru>;
using Handle = Store::Handle;

/// An operation that adds up the first elements of its inputs, and one.
Store::Request sum(std::vector<Handle> inputs, std::vector<std::size_t> consumes = {}) {
  return {.cost = 1,
          .inputs = std::move(inputs),
          .outputs = {{.bytes = 8}},
          .consumes = std::move(consumes),
          .run = [](auto in, auto out, auto&) {
            double total = 1;
            for (const Numbers* const input : in) total += input->at(0);
            out[0].assign(1, total);
          }};
}
Handle run(Store& store, const Store::Request& request) {
  return std::move(store.run(request).at(0));
}
double read(Store& store, const Handle& handle) { return store.pin(handle)->at(0); }

}  // namespace

TEST_CASE("what is taken over twice, or to be viewed, is refused") {
  Store store(reprise::byte_count{64});
  const Handle x = run(store, sum({}));
  CHECK_THROWS_WITH_AS(static_cast<void>(store.run(sum({x}, {0, 0}))),
                       "an operation cannot take over input 0 twice", reprise::InvalidArgument);
  Store::Request view = sum({x}, {0});
  view.outputs[0] = {.view_of = 0};
  CHECK_THROWS_WITH_AS(static_cast<void>(store.run(view)),
                       "an operation cannot take over input 0 and make a view of it",
                       reprise::InvalidArgument);
  CHECK(read(store, x) == 1);
  CHECK(store.recomputed_cost() == 0);
}

TEST_CASE("locks of outer recomputes survive what inner ones take over") {
  Store store(reprise::byte_count{32});
  Handle a = store.constant({1.0});
  Handle b = run(store, sum({a, a}));    // 3
  Handle c = run(store, sum({b}, {0}));  // 4, takes over b
  Handle d = run(store, sum({c, b}));    // 8, b is recomputed
  Handle e = run(store, sum({b, d}));    // 12
  store.make_room(1000);
  CHECK(read(store, e) == 12);
  CHECK(read(store, c) == 4);
  CHECK(read(store, d) == 8);
  CHECK(read(store, b) == 3);
  for (Handle* const handle : {&a, &b, &c, &d, &e}) handle->reset();
  CHECK(store.live_bytes() == 0);
}

TEST_CASE("what nothing can have at once is refused") {
  Store store(reprise::unlimited_bytes);
  const Handle s = run(store, sum({}));        // 1
  const Handle t = run(store, sum({s}, {0}));  // 2
  const Handle u = run(store, sum({t}, {0}));  // 3
  Store::Request of_both = sum({s, u}, {1});
  of_both.outputs[0] = {.view_of = 0};
  of_both.run = [](auto in, auto out, auto&) { out[0] = *in[0]; };
  const Handle view =
      run(store, of_both);  // of s; whoever recomputes u takes over t, and t takes s
  store.make_room(1000);
  CHECK(read(store, view) == 1);
  CHECK_THROWS_WITH_AS(
      static_cast<void>(store.run(sum({view, u}))),
      "operation 4 cannot have all of its inputs at once: recomputing one takes over "
      "another (value 3)",
      reprise::InvalidState);
  for (int i = 0; i < 2; ++i) {
    CHECK(read(store, u) == 3);
    CHECK(read(store, view) == 1);
    CHECK(read(store, t) == 2);
    CHECK(read(store, s) == 1);
  }
}

TEST_CASE("a function may let go of the handle that is being recomputed") {
  Store store(reprise::byte_count{64});
  Handle x;
  Store::Request request = sum({});
  const auto captured = std::make_shared<int>(0);
  request.run = [&x, captured](auto, auto out, auto&) {
    x.reset();
    out[0].assign(1, static_cast<double>(captured.use_count()));
  };
  x = run(store, request);
  CHECK(store.evict(x));
  {
    const Store::Pin pin = store.pin(x);
    CHECK_FALSE(x);
    CHECK(pin->at(0) == 3);
  }
  CHECK(store.live_bytes() == 0);
  request.run = nullptr;
  CHECK(captured.use_count() == 1);
}

TEST_CASE("a function may let go of the store") {
  auto store = std::make_unique<Store>(reprise::byte_count{64});
  const Handle x = run(*store, sum({}));
  Store::Request request = sum({x}, {0});
  request.run = [&store, text = std::string(100, 'x')](auto, auto out, auto&) {
    store.reset();
    out[0].assign(1, static_cast<double>(text.size()));
  };
  CHECK_THROWS_WITH_AS(static_cast<void>(store->run(request)),
                       "the store went while operation 1 ran", reprise::InvalidState);
}

TEST_CASE("a pin holds what nobody else does, and what is forgotten") {
  Store store(reprise::unlimited_bytes);
  Handle x = run(store, sum({}));
  store.keep(x);
  Store::Request request = sum({x});
  request.outputs[0] = {.view_of = 0};
  request.run = [](auto in, auto out, auto&) { out[0] = *in[0]; };
  Handle view = run(store, request);
  const Store::Pin of_view = store.pin(view);
  Store::Pin of_kept = store.pin(x);
  x.reset();
  view.reset();
  std::vector<Handle> others;
  for (int i = 0; i < 4000; ++i)
    others.push_back(run(store, sum({})));  // records are looked through
  CHECK(of_view->at(0) == 1);
  CHECK(of_kept->at(0) == 1);
}

TEST_CASE("what cannot be repeated may be taken over, and nothing else is lost") {
  Store store(reprise::unlimited_bytes);
  Store::Request once = sum({});
  once.repeatable = false;
  const Handle x = run(store, once);                    // 1
  const Handle read_it = run(store, sum({x}));          // 2
  const Handle took = run(store, sum({read_it}, {0}));  // 3
  store.make_room(1000);
  const Handle in_place = run(store, sum({x}, {0}));  // 2; what x was read for stays
  store.make_room(1000);
  CHECK(read(store, in_place) == 2);
  CHECK(read(store, took) == 3);
  CHECK_THROWS_WITH_AS(static_cast<void>(store.pin(x)),
                       "operation 0 is not repeatable, and what it made is gone: value 0",
                       reprise::InvalidState);
}

TEST_CASE("what is made to stay so that a view can, and is taken over, loses no other value") {
  Store store(reprise::unlimited_bytes);
  Store::Request once = sum({});
  once.repeatable = false;
  const Handle x = run(store, once);           // 1
  const Handle a = run(store, sum({x}));       // 2
  const Handle b = run(store, sum({a}, {0}));  // 3, takes over a
  const Handle c = run(store, sum({b}));       // 4
  store.evict(c);
  // The view of a stays, and so b, which takes over a; but the operation takes over b, and c is
  // made from that.
  Store::Request view = sum({b, a}, {0});
  view.repeatable = false;
  view.outputs[0] = {.view_of = 1};
  view.run = [](auto in, auto out, auto&) { out[0] = *in[1]; };
  const Handle d = run(store, view);
  CHECK(read(store, d) == 2);
  CHECK(read(store, c) == 4);
}

TEST_CASE("a view that cannot be repeated holds its storage") {
  Store store(reprise::unlimited_bytes);
  const Handle x = run(store, sum({}));
  const Handle took = run(store, sum({x}, {0}));
  Store::Request view = sum({x});
  view.outputs[0] = {.view_of = 0};
  view.repeatable = false;
  view.run = [](auto in, auto out, auto&) { out[0] = *in[0]; };
  Handle seen = run(store, view);
  store.make_room(1000);
  CHECK(store.is_present(seen));
  CHECK(read(store, seen) == 1);
  CHECK(read(store, took) == 2);
  seen.reset();
  CHECK(read(store, x) == 1);
}

TEST_CASE("an input that a function took before it threw is made anew") {
  Store store(reprise::byte_count{64});
  const Handle x = run(store, sum({}));
  Store::Request request = sum({x}, {0});
  request.run = [](auto in, auto out, auto&) {
    out[0] = std::exchange(*in[0], Numbers{});
    out[0][0] = 17;
    throw std::runtime_error("the engine's own");
  };
  CHECK_THROWS_WITH_AS(static_cast<void>(store.run(request)), "the engine's own",
                       std::runtime_error);
  CHECK(store.live_bytes() == 0);
  CHECK(read(store, x) == 1);
}

TEST_CASE("a function has the only handle of what it takes over") {
  using Tensor = reprise_test::CountingTensor;
  using Shared = reprise::OperationStore<Tensor, reprise::Lru>;
  reprise_test::CountingMemory memory;
  Shared store(reprise::byte_count{8});
  const auto x = store.run({.outputs = {{.bytes = 8}},
                            .run = [&](auto, auto out, auto&) { out[0] = Tensor(memory, 2); }});
  const auto view = store.run({.inputs = {x[0]},
                               .outputs = {{.view_of = 0}},
                               .run = [](auto in, auto out, auto&) { out[0] = *in[0]; }});
  const auto y = store.run({.inputs = {view[0]},
                            .outputs = {{.bytes = 4}},
                            .consumes = {0},
                            .run = [&](auto in, auto out, auto&) {
                              *in[0] = Tensor{};
                              out[0] = Tensor(memory, 1);
                            }});
  CHECK(memory.peak == 8);
  CHECK(memory.live == 4);
}

TEST_CASE("with the last handle all bytes go") {
  Store store(reprise::unlimited_bytes);
  Store::Request two = sum({});
  two.outputs.push_back({.bytes = 8});
  two.run = [](auto, auto out, auto&) {
    for (Numbers& made : out) made.assign(1, 1.0);
  };
  std::vector<Handle> made = store.run(two);
  const Handle constant = store.constant({1.0}, 8);
  Handle next = run(store, sum({made[0], constant}));
  made.clear();
  store.make_room(1000);
  CHECK(read(store, next) == 3);  // and what it needed, and its twin
  CHECK(store.live_bytes() == 32);
  next.reset();
  CHECK(store.live_bytes() == 24);  // room for others
  CHECK(store.make_room(8) == 8);
  Handle(std::move(const_cast<Handle&>(constant))).reset();
  CHECK(store.live_bytes() == 0);
}

TEST_CASE("a rerun that makes something else is refused") {
  for (const int what : {0, 1, 2}) {
    CAPTURE(what);
    Store store(reprise::byte_count{64});
    Store::Request request = sum({});
    request.outputs = {{.bytes = 16}, {.bytes = 8}};
    request.run = [what](auto, auto out, auto& pass) {
      const bool differs = pass.is_recompute();
      out[0].assign(differs && what == 0 ? 1 : 2, 5.0);
      if (!(differs && what == 1)) out[1].assign(1, differs && what == 2 ? 7.0 : 6.0);
    };
    std::vector<Handle> made = store.run(request);
    const Handle next = run(store, sum({made[1]}));
    store.make_room(64);
    if (what == 0) {
      CHECK_THROWS_WITH_AS(static_cast<void>(store.pin(made[1])),
                           "output 0 of operation 0, value 0, took 16 bytes and now takes 8 when "
                           "it runs again",
                           reprise::ReplayMismatch);
    } else if (what == 1) {
      CHECK_THROWS_WITH_AS(static_cast<void>(store.pin(next)),
                           "output 1 of operation 0, value 1, took 8 bytes and now takes 0 when it "
                           "runs again",
                           reprise::ReplayMismatch);
    } else {
      CHECK(read(store, next) == 8);  // nothing but the content says so
    }
    if (what < 2) CHECK(store.live_bytes() == 0);
  }
}

TEST_CASE("replay verification compares each recomputed value with its original") {
  for (const bool is_verified : {false, true}) {
    CAPTURE(is_verified);
    Store store(reprise::byte_count{64}, {}, {.verify_replay = is_verified});
    int calls = 0;
    Store::Request request = sum({});
    request.run = [&calls](auto, auto out, auto&) { out[0].assign(1, 0.5 * calls++); };
    const Handle x = run(store, request);
    const Handle next = run(store, sum({x}));
    store.make_room(64);
    if (is_verified) {
      CHECK_THROWS_WITH_AS(
          static_cast<void>(store.pin(next)),
          "output 0 of operation 0, value 0, has another content when it runs again",
          reprise::ReplayMismatch);
    } else {
      CHECK(read(store, next) == 1.5);
    }
  }
}

TEST_CASE("replay verification finds constants and kept values that were changed") {
  for (const bool is_constant : {false, true}) {
    CAPTURE(is_constant);
    Store store(reprise::byte_count{64}, {}, {.verify_replay = true});
    const Handle weight = is_constant ? store.constant({1.0}) : run(store, sum({}));
    store.keep(weight);
    const Handle x = run(store, sum({weight}));
    CHECK(store.evict(x));
    CHECK(read(store, x) == 2);
    CHECK(store.evict(x));
    (*store.pin(weight))[0] = 3;
    CHECK_THROWS_WITH_AS(static_cast<void>(store.pin(x)),
                         (std::string(is_constant ? "constant" : "value") +
                          " 0, input 0 of operation " + (is_constant ? "0" : "1") +
                          ", was changed in place: the operation cannot run again as it first did")
                             .c_str(),
                         reprise::ReplayMismatch);
    const Handle later = run(store, sum({weight}));  // which reads what is there now
    CHECK(store.evict(later));
    CHECK(read(store, later) == 4);
  }
}

namespace {

using Versioned = reprise_test::BasicCountingTensor<double>;
using VersionedStore = reprise::OperationStore<Versioned, reprise::Lru>;

VersionedStore::Request twice(const VersionedStore::Handle& x, reprise_test::CountingMemory& memory,
                              int& calls) {
  return {.inputs = {x}, .outputs = {{.bytes = 8}}, .run = [&](auto in, auto out, auto&) {
            ++calls;
            out[0] = Versioned(memory, 1);
            out[0][0] = 2 * (*in[0])[0];
          }};
}

}  // namespace

TEST_CASE("what a rerun reads and was changed since is refused before anything is made from it") {
  reprise_test::CountingMemory memory;
  int calls = 0;
  VersionedStore store(reprise::unlimited_bytes);
  Versioned data(memory, 1);
  data[0] = 3;
  const auto weight = store.constant(data);
  const auto x = std::move(store.run(twice(weight, memory, calls))[0]);
  const auto y = std::move(store.run(twice(x, memory, calls))[0]);
  store.make_room(1000);
  data[0] = 5;
  data.changed();
  calls = 0;
  CHECK_THROWS_WITH_AS(static_cast<void>(store.pin(y)),
                       "constant 0, input 0 of operation 0, was changed in place: the operation "
                       "cannot run again as it first did",
                       reprise::ReplayMismatch);
  CHECK(calls == 0);
  // The next step's operations read what is there now, and may run again.
  const auto next = std::move(store.run(twice(weight, memory, calls))[0]);
  CHECK(store.evict(next));
  CHECK((*store.pin(next))[0] == 10);
}

TEST_CASE("a value that was changed in place is not recomputed as if it had not been") {
  reprise_test::CountingMemory memory;
  int calls = 0;
  VersionedStore store(reprise::unlimited_bytes);
  const auto x = store.constant([&] {
    Versioned data(memory, 1);
    data[0] = 3;
    return data;
  }());
  const auto y = std::move(store.run(twice(x, memory, calls))[0]);
  const auto z = std::move(store.run(twice(y, memory, calls))[0]);
  {
    const auto pin = store.pin(y);
    (*pin)[0] = 100;
    pin->changed();
  }
  CHECK(store.evict(z));
  CHECK_THROWS_WITH_AS(
      static_cast<void>(store.pin(z)),
      "value 0, input 0 of operation 1, was changed in place: the operation cannot "
      "run again as it first did",
      reprise::ReplayMismatch);
  CHECK((*store.pin(y))[0] == 100);
  const auto w = std::move(store.run(twice(y, memory, calls))[0]);
  CHECK((*store.pin(w))[0] == 200);
  CHECK(store.evict(y));
  const auto refusal =
      "value 0 was changed in place after it was made: making it again would undo the change";
  CHECK_THROWS_WITH_AS(static_cast<void>(store.pin(y)), refusal, reprise::ReplayMismatch);
  CHECK((*store.pin(w))[0] == 200);
  CHECK(store.evict(w));
  CHECK_THROWS_WITH_AS(static_cast<void>(store.pin(w)), refusal, reprise::ReplayMismatch);
}

TEST_CASE("sums of bytes and of costs do not wrap") {
  using Sizes = reprise::OperationStore<reprise::SizesOnly, reprise::Lru>;
  constexpr reprise::byte_count huge = reprise::unlimited_bytes - 10;
  Sizes store(reprise::unlimited_bytes);
  CHECK_THROWS_AS(static_cast<void>(store.run({.outputs = {{.bytes = huge}, {.bytes = 11}}})),
                  reprise::InvalidArgument);
  CHECK_THROWS_WITH_AS(
      static_cast<void>(store.run({.outputs = {{.bytes = huge}}, .transient_bytes = 11})),
      "the outputs and the transient of an operation take 11 and 18446744073709551605 bytes, more "
      "than 64 bits count",
      reprise::InvalidArgument);
  auto x = store.run({.outputs = {{.bytes = 16}}, .repeatable = false});
  CHECK_THROWS_AS(static_cast<void>(store.run({.outputs = {{.bytes = huge}}})),
                  reprise::BudgetExceeded);
  CHECK_THROWS_AS(static_cast<void>(store.constant({}, huge)), reprise::BudgetExceeded);
  CHECK(store.live_bytes() == 16);
  CHECK(store.make_room(huge) == 0);
  x.clear();
  x = store.run({.outputs = {{.bytes = huge}}});
  CHECK(store.live_bytes() == huge);
  CHECK(store.make_room(reprise::unlimited_bytes) == huge);
  constexpr std::uint64_t dear = std::numeric_limits<std::uint64_t>::max();
  CHECK_THROWS_AS(static_cast<void>(store.run({.cost = dear, .outputs = {{.bytes = 1}}})),
                  reprise::InvalidState);
  const auto paid = store.run({.cost = dear - 1, .outputs = {{.bytes = 1}}});
  CHECK(store.evict(paid[0]));
  CHECK_THROWS_WITH_AS(static_cast<void>(store.pin(paid[0])),
                       "operation 4 of cost 18446744073709551614 takes the clock from "
                       "18446744073709551615 past what 64 bits count",
                       reprise::InvalidState);
}
