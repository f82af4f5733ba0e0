// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <reprise/program/schedule_from_saved.hpp>
#include <reprise/program/simulate.hpp>

#include "support/chain_program.hpp"

namespace {

using reprise::Action;
using reprise::InvalidSchedule;
using reprise::Schedule;
using reprise_test::chain_program;

}  // namespace

TEST_CASE("store-all's peak of a chain") {
  const auto program = chain_program(3);
  const auto played = reprise::simulate(
      program,
      reprise::schedule_from_saved(program, reprise::SavedSet(program.values().size(), 1)));
  CHECK(played.peak_bytes == 28);
  CHECK(played.boundary_bytes == 20);
  CHECK(played.recomputed_cost == 0);
  CHECK(played.recomputes_per_layer == std::vector<std::uint32_t>{0, 0, 0});
}

TEST_CASE("a schedule must run the whole program in its order and leave nothing") {
  const auto program = chain_program(1);
  const auto refused = [&](std::vector<Action> actions, const char* message) {
    CHECK_THROWS_WITH_AS(
        static_cast<void>(reprise::simulate(program, Schedule{std::move(actions)})), message,
        InvalidSchedule);
  };
  refused({}, "forward of node 0 never runs");
  refused({Action::run(0), Action::run(1)}, "backward of node 0 never runs");
  refused({Action::run(0), Action::run(1), Action::run(2)}, "never dropped: output 0 of node 0");
  refused({Action::run(7)}, "run of operation 7, which is not in the program");
  const auto two = chain_program(2);
  CHECK_THROWS_AS(static_cast<void>(reprise::simulate(two, Schedule{{Action::run(1)}})),
                  InvalidSchedule);
  // Nothing is absent here, and yet what cannot be repeated must keep the program's order.
  const reprise::Program free({{.bytes = 4}, {.node = 1, .bytes = 4}},
                              {{.node = 0, .writes = {0}},
                               {.node = 1, .writes = {1}},
                               {.kind = reprise::OperationKind::loss}},
                              2, 1, true);
  CHECK_THROWS_WITH_AS(static_cast<void>(reprise::simulate(
                           free, Schedule{{Action::run(1), Action::run(0), Action::run(2)}})),
                       "forward of node 1 runs before forward of node 0", InvalidSchedule);
}
