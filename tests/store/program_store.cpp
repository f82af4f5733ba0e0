// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <memory>
#include <reprise/core/error.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <reprise/program/simulate.hpp>
#include <reprise/store/memory_account.hpp>
#include <reprise/store/program_store.hpp>

#include "support/chain_program.hpp"

namespace {

using reprise::Action;
using reprise::MemoryAccount;
using reprise_test::chain_program;
using SharedStore = reprise::ProgramStore<std::shared_ptr<int>>;

void play(auto& store, const Action& action) {
  store.begin(action);
  store.commit(action);
}

}  // namespace

TEST_CASE("a store without payloads plays a schedule as the simulation does") {
  const auto program = chain_program(3);
  const auto schedule =
      reprise::schedule_from_saved(program, reprise::SavedSet(program.values().size(), 0));
  const auto account = std::make_shared<MemoryAccount>();
  reprise::ProgramStore<> store(program, account);
  for (const Action& action : schedule.actions) {
    play(store, action);
    CHECK(account->live_bytes() == store.ledger().live_bytes());
  }
  CHECK(account->peak_bytes() == reprise::simulate(program, schedule).peak_bytes);
}

TEST_CASE("a dropped payload is destroyed, and what is left goes with the store") {
  const auto program = chain_program(1);
  const auto account = std::make_shared<MemoryAccount>();
  std::weak_ptr<int> output;
  std::weak_ptr<int> saved;
  {
    SharedStore store(program, account);
    const auto put = [&](reprise::value_id value) {
      store.at(value) = std::make_shared<int>(7);
      return std::weak_ptr<int>(store.at(value));
    };
    store.begin(Action::run(0));
    output = put(1);
    saved = put(2);
    store.commit(Action::run(0));
    CHECK(account->live_bytes() == 12);
    play(store, Action::drop(2));
    CHECK(saved.expired());
    CHECK(!store.is_present(2));
    CHECK(*store.at(1) == 7);
    CHECK(account->live_bytes() == 8);
  }
  CHECK(output.expired());
  CHECK(account->live_bytes() == 0);
}

TEST_CASE("what does not fit is refused before it begins, and nothing changes") {
  const auto program = chain_program(2);
  const auto account = std::make_shared<MemoryAccount>(20);
  reprise::ProgramStore<> first(program, account);
  reprise::ProgramStore<> second(program, account);
  play(first, Action::run(0));
  try {
    second.begin(Action::run(0));
    FAIL("24 bytes were accepted under a budget of 20");
  } catch (const reprise::BudgetExceeded& refused) {
    CHECK(refused.budget_bytes() == 20);
    CHECK(refused.needed_bytes() == 24);
  }
  CHECK(account->live_bytes() == 12);
  CHECK(account->peak_bytes() == 12);
  CHECK(!second.has_run(0));
  play(first, Action::drop(2));
  CHECK_NOTHROW(play(second, Action::run(0)));
}

TEST_CASE("only the action that began last is settled") {
  const auto program = chain_program(1);
  reprise::ProgramStore<> store(program, std::make_shared<MemoryAccount>());
  CHECK_THROWS_WITH_AS(store.commit(Action::run(0)),
                       "commit of the run of operation 0, which was not the last to begin",
                       reprise::InvalidState);
  play(store, Action::run(0));
  CHECK_THROWS_AS(store.commit(Action::run(0)), reprise::InvalidState);
  store.begin(Action::drop(2));
  CHECK_THROWS_WITH_AS(store.commit(Action::drop(1)),
                       "commit of the drop of value 1, which was not the last to begin",
                       reprise::InvalidState);
  CHECK(store.is_present(1));
  CHECK_THROWS_AS(store.begin(Action::run(1 + 7)), reprise::InvalidSchedule);
  store.commit(Action::drop(2));
  CHECK(!store.is_present(2));
}

TEST_CASE("only what runs can make more than was said") {
  const auto program = chain_program(1);
  reprise::ProgramStore<> store(program, std::make_shared<MemoryAccount>());
  CHECK_THROWS_AS(static_cast<void>(store.grow(1, 8)), reprise::InvalidState);
  CHECK_THROWS_AS(static_cast<void>(store.grow_transient(8)), reprise::InvalidState);
  store.begin(Action::run(0));
  CHECK_THROWS_AS(static_cast<void>(store.grow(1000, 8)), reprise::InvalidArgument);
  CHECK(store.grow(1, 1000));
  store.commit(Action::run(0));
  store.begin(Action::drop(1));
  CHECK_THROWS_AS(static_cast<void>(store.grow_transient(8)), reprise::InvalidState);
}
