// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always
#include <doctest/doctest.h>

#include <reprise/planner/store_all.hpp>

#include "support/planner_conformance.hpp"

TEST_CASE("StoreAll conforms") { reprise_test::check_planner(reprise::StoreAll{}); }

TEST_CASE("StoreAll recomputes nothing") {
  const auto program = reprise_test::chain_program(3);
  const auto plan = reprise::StoreAll{}({.program = program});
  CHECK(plan.recomputed_cost == 0);
  CHECK(plan.peak_bytes == 28);
  CHECK_THROWS_WITH_AS(
      static_cast<void>(reprise::StoreAll{}({.program = program, .budget = 27})),
      "a budget of 27 bytes (27 B) cannot be met by store-all: it needs 28 bytes (28 B), and any "
      "plan at least 20 bytes (20 B)",
      reprise::BudgetInfeasible);
}

TEST_CASE("passes that together take more than 64 bits count are refused") {
  const auto program = reprise_test::chain_program(3);
  constexpr std::size_t passes = std::size_t{1} << 63U;
  CHECK_THROWS_AS(
      static_cast<void>(reprise::StoreAll{}({.program = program, .passes_in_flight = passes})),
      reprise::InvalidArgument);
  CHECK(reprise::peak_in_flight(10, 5, 3) == 20);
  CHECK(reprise::peak_in_flight(reprise::unlimited_bytes, 0, 3) == reprise::unlimited_bytes);
  CHECK_THROWS_AS(static_cast<void>(reprise::peak_in_flight(reprise::unlimited_bytes, 1, 2)),
                  reprise::InvalidArgument);
}
