// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <reprise/program/keep.hpp>
#include <reprise/program/schedule.hpp>

#include "support/chain_program.hpp"

TEST_CASE("explain says when a value is made, dropped and made again") {
  const auto program = reprise_test::chain_program(2);
  const reprise::KeepSet all(program.values().size(), 1);
  const reprise::KeepSet none(program.values().size(), 0);
  const auto kept = reprise::keep(program, all);
  CHECK(reprise::explain(program, kept, 1) ==
        "output 0 of node 0 (8 B, layer 0): made by forward of node 0, dropped after forward of "
        "node 1");
  CHECK(reprise::explain(program, kept, 2) ==
        "saved state of node 0 (4 B, layer 0): made by forward of node 0, dropped after backward "
        "of node 0; kept from forward to backward");
  CHECK(reprise::explain(program, reprise::keep(program, none), 2) ==
        "saved state of node 0 (4 B, layer 0): made by forward of node 0, dropped after forward "
        "of node 0, remade by forward of node 0, dropped after backward of node 0; recomputed 1 "
        "time");
  CHECK(reprise::explain(program, reprise::keep(program, none, reprise::Remake::each_time), 2)
            .ends_with("; recomputed 2 times"));
}
