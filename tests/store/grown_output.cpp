// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// An operation that makes more than was said gets room for it, as it would have got before it ran.

#include <doctest/doctest.h>

#include <cstddef>
#include <memory>
#include <reprise/eviction/lru.hpp>
#include <reprise/program/ledger.hpp>
#include <reprise/store/operation_store.hpp>
#include <reprise/store/program_store.hpp>
#include <span>
#include <vector>

#include "support/chain_program.hpp"

namespace {

using reprise::byte_count;
using Store = reprise::OperationStore<reprise::SizesOnly, reprise::Lru>;
using Function = Store::Function;

struct World {
  explicit World(byte_count budget)
      : account(std::make_shared<reprise::MemoryAccount>(budget)), store(account) {}

  Store::Handle run(byte_count said, std::vector<Store::Handle> inputs, Function function,
                    byte_count transient = 0) {
    return store
        .run({.cost = 1,
              .inputs = std::move(inputs),
              .outputs = {{.bytes = said}},
              .transient_bytes = transient,
              .run = std::move(function)})
        .front();
  }
  /// Makes `bytes` of an output that was said to have less.
  Function makes(byte_count bytes) {
    return [this, bytes](auto, auto, reprise::PassContext& pass) {
      if (!pass.is_recompute()) has_room = store.grow_output(0, bytes);
    };
  }

  std::shared_ptr<reprise::MemoryAccount> account;
  Store store;
  bool has_room = false;
};

Function nothing() {
  return [](auto, auto, reprise::PassContext&) {};
}

}  // namespace

TEST_CASE("an output that is larger than was said evicts others") {
  World world(100);
  const auto first = world.run(40, {}, nothing());
  const auto second = world.run(40, {}, nothing());
  const auto third = world.run(10, {}, world.makes(50));
  CHECK(world.has_room);
  CHECK_FALSE(world.store.is_present(first));
  CHECK(world.store.is_present(second));
  CHECK(world.store.live_bytes() == 90);
  CHECK(world.account->peak_bytes() <= 100);
  // It keeps its bytes in a rerun, before which room is made for all of them.
  CHECK(world.store.evict(third));
  CHECK(world.store.live_bytes() == 40);
  { const auto pin = world.store.pin(third); }
  CHECK(world.store.live_bytes() == 90);
  CHECK(world.store.evictions() == 1);
}

TEST_CASE("what is read makes no room, and a first run that finds none can be taken back") {
  World world(100);
  const auto input = world.run(60, {}, nothing());
  const auto fails = [&](auto, auto, reprise::PassContext&) {
    world.has_room = world.store.grow_output(0, 41);
    if (!world.has_room) throw reprise::ProfileMismatch("no room");
  };
  CHECK_THROWS_AS(world.run(10, {input}, fails), reprise::ProfileMismatch);
  CHECK(world.store.live_bytes() == 60);
  CHECK(world.store.is_present(input));
  const auto output = world.run(10, {input}, world.makes(40));
  CHECK(world.has_room);
  CHECK(world.store.live_bytes() == 100);
}

TEST_CASE("a transient grows for the run that finds it, and for its reruns") {
  World world(100);
  const auto other = world.run(50, {}, nothing());
  std::size_t runs = 0;
  const auto made = world.run(20, {}, [&](auto, auto, reprise::PassContext&) {
    if (runs++ == 0) world.has_room = world.store.grow_transient(60);
  });
  CHECK(world.has_room);
  CHECK_FALSE(world.store.is_present(other));
  CHECK(world.store.live_bytes() == 20);
  CHECK(world.store.evict(made));
  { const auto pin = world.store.pin(other); }
  { const auto pin = world.store.pin(made); }
  CHECK(runs == 2);
  CHECK_FALSE(world.store.is_present(other));
  CHECK(world.account->peak_bytes() <= 100);
}

TEST_CASE("growth is refused outside of first runs, and where it passes 64 bits") {
  World world(reprise::unlimited_bytes);
  CHECK_THROWS_AS(static_cast<void>(world.store.grow_output(0, 1)), reprise::InvalidState);
  CHECK_THROWS_AS(static_cast<void>(world.store.grow_transient(1)), reprise::InvalidState);
  const auto other = world.run(8, {}, nothing());
  bool is_rerun = false;
  const auto made = world.run(8, {}, [&](auto, auto, reprise::PassContext& pass) {
    if (pass.is_recompute()) {
      is_rerun = true;
      CHECK_THROWS_AS(static_cast<void>(world.store.grow_output(0, 9)), reprise::InvalidState);
      return;
    }
    CHECK(world.store.grow_output(0, 7));
    CHECK_THROWS_AS(static_cast<void>(world.store.grow_output(1, 9)), reprise::InvalidArgument);
    CHECK_FALSE(world.store.grow_output(0, reprise::unlimited_bytes));
    CHECK_FALSE(world.store.grow_transient(reprise::unlimited_bytes - 8));
  });
  CHECK(world.store.live_bytes() == 16);
  CHECK(world.store.evict(made));
  { const auto pin = world.store.pin(made); }
  CHECK(is_rerun);
}

TEST_CASE("a planned store counts what grew, inside its action and after it") {
  const reprise::Program program = reprise_test::chain_program(2);
  const reprise::Action run = reprise::Action::run(0);
  const reprise::value_id made = program.operations()[0].writes.front();
  reprise::Ledger ledger(program);
  const byte_count said = ledger.bytes_during(run);
  const auto account = std::make_shared<reprise::MemoryAccount>(said + 10);
  reprise::ProgramStore<> store(program, account);
  store.begin(run);
  const byte_count bytes = program.values()[made].bytes;
  CHECK(store.bytes_of(made) == bytes);
  CHECK_FALSE(store.grow(made, reprise::unlimited_bytes));
  reprise::ProgramStore<> other(program, account);
  other.begin(run);
  REQUIRE(other.grow(made, bytes + 10));
  CHECK(other.bytes_of(made) == bytes + 10);
  other.commit(run);
  CHECK(account->peak_bytes() == said + 10);
  ledger.apply(run);
  CHECK(account->live_bytes() == ledger.live_bytes() + 10);
}
