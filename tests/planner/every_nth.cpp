// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always
#include <doctest/doctest.h>

#include <reprise/planner/every_nth.hpp>

#include "support/planner_conformance.hpp"

TEST_CASE("EveryNth conforms") {
  for (const std::size_t n : {1U, 2U, 3U, 100U}) {
    CAPTURE(n);
    const reprise::EveryNth planner{n};
    for (std::uint32_t layers = 1; layers < 12; ++layers) {
      const auto program = reprise_test::chain_program(layers);
      reprise_test::check_planner_on(planner, {.program = program});
    }
  }
  reprise_test::check_planner(reprise::EveryNth{2});
}

TEST_CASE("EveryNth recomputes all but the last group") {
  const auto program = reprise_test::chain_program(5);
  const auto plan = reprise::EveryNth{3}({.program = program});
  CHECK(reprise::simulate(program, plan.schedule).recomputes_per_layer ==
        std::vector<std::uint32_t>{1, 1, 1, 0, 0});
  CHECK(plan.boundary_bytes == 16);
}

TEST_CASE("EveryNth refuses groups of no layer") {
  const auto program = reprise_test::chain_program(2);
  CHECK_THROWS_AS(static_cast<void>(reprise::EveryNth{0}({.program = program})),
                  reprise::InvalidArgument);
}
