// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <reprise/planner/recompute_all.hpp>

#include "support/planner_conformance.hpp"

TEST_CASE("RecomputeAll conforms") { reprise_test::check_planner(reprise::RecomputeAll{}); }

TEST_CASE("RecomputeAll runs every layer but the last once more") {
  const auto program = reprise_test::chain_program(5);
  const auto plan = reprise::RecomputeAll{}({.program = program});
  CHECK(reprise::simulate(program, plan.schedule).recomputes_per_layer ==
        std::vector<std::uint32_t>{1, 1, 1, 1, 0});
}
