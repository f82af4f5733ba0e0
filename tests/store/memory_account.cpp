// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <reprise/core/error.hpp>
#include <reprise/store/memory_account.hpp>

TEST_CASE("stores together keep one budget, and its peak counts what they do at once") {
  reprise::MemoryAccount account(100);
  account.settle(0, 40);  // one store rests
  account.expect(0, 60);  // another acts
  CHECK(account.peak_bytes() == 100);
  account.settle(0, 20);
  CHECK(account.live_bytes() == 60);
  CHECK_THROWS_AS(account.expect(20, 61), reprise::BudgetExceeded);
  CHECK(account.live_bytes() == 60);
  CHECK_NOTHROW(account.expect(20, 60));
  account.reset_peak();
  CHECK(account.peak_bytes() == 60);
}

TEST_CASE("an account without a budget refuses nothing") {
  reprise::MemoryAccount account;
  CHECK(account.budget_bytes() == reprise::unlimited_bytes);
  CHECK_NOTHROW(account.expect(0, reprise::unlimited_bytes));
}

TEST_CASE("what passes 64 bits is refused, whatever the budget") {
  reprise::MemoryAccount account;
  account.settle(0, 40);
  CHECK_NOTHROW(account.expect(0, reprise::unlimited_bytes - 40));
  account.reset_peak();
  CHECK_THROWS_WITH_AS(account.expect(0, reprise::unlimited_bytes - 39),
                       "an action needs 40 and 18446744073709551576 bytes (more than 64 bits "
                       "count) of a budget of 18446744073709551615, of which others hold 40",
                       reprise::BudgetExceeded);
  CHECK(account.live_bytes() == 40);
  CHECK(account.peak_bytes() == 40);
  reprise::MemoryAccount small(100);
  small.settle(0, 40);
  CHECK_THROWS_AS(small.expect(0, reprise::unlimited_bytes - 10), reprise::BudgetExceeded);
}

TEST_CASE("no account is none that a store can have") {
  CHECK_THROWS_WITH_AS(static_cast<void>(reprise::account_of_store(nullptr)),
                       "a store without a memory account", reprise::InvalidArgument);
}
