// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always
#include <doctest/doctest.h>

#include <reprise/planner/square_root.hpp>

#include "support/planner_conformance.hpp"

TEST_CASE("SquareRoot conforms") { reprise_test::check_planner(reprise::SquareRoot{}); }

TEST_CASE("SquareRoot is EveryNth with the rounded root of the layers") {
  for (const auto& pair : {std::pair{1U, 1U}, {2U, 1U}, {3U, 2U}, {16U, 4U}, {21U, 5U}}) {
    const unsigned layers = pair.first;
    const unsigned n = pair.second;
    CAPTURE(layers);
    const auto program = reprise_test::chain_program(layers);
    CHECK(reprise::SquareRoot{}({.program = program}).schedule ==
          reprise::EveryNth{n}({.program = program}).schedule);
  }
}
