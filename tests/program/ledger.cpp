// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <reprise/program/ledger.hpp>

#include "support/chain_program.hpp"

namespace {

using reprise::Action;
using reprise::InvalidSchedule;
using reprise::Ledger;
using reprise_test::chain_program;

}  // namespace

TEST_CASE("bytes are counted inside actions and between them") {
  const auto program = chain_program(2);
  Ledger ledger(program);
  CHECK(ledger.live_bytes() == 0);
  CHECK(ledger.is_present(0));
  ledger.apply(Action::run(0));
  CHECK(ledger.has_run(0));
  CHECK(ledger.live_bytes() == 12);
  ledger.apply(Action::drop(2));
  CHECK(ledger.live_bytes() == 8);
  // A rerun makes everything anew; the copy of what is present goes at once.
  CHECK(ledger.bytes_during(Action::run(0)) == 20);
  ledger.apply(Action::run(0));
  CHECK(ledger.live_bytes() == 12);
  CHECK(ledger.peak_bytes() == 20);
}

TEST_CASE("an action without meaning is refused and changes nothing") {
  const auto program = chain_program(2);
  Ledger ledger(program);
  const auto refused = [&](Action action, const char* message) {
    const auto before = ledger.live_bytes();
    CHECK_THROWS_WITH_AS(ledger.apply(action), message, InvalidSchedule);
    CHECK(ledger.live_bytes() == before);
  };
  refused(Action::run(1), "forward of node 1 reads what is absent: output 0 of node 0");
  refused(Action::drop(1), "drop of what is absent: output 0 of node 0");
  refused(Action::drop(0), "drop of graph input 0, which may not be dropped");
  refused(Action::run(99), "run of operation 99, which is not in the program");
  refused(Action::drop(99), "drop of value 99, which is not in the program");
  refused({.kind = static_cast<reprise::ActionKind>(9)},
          "an action of kind 9, which does not exist");
  refused(Action::run(0, true), "forward of node 0 cannot skip its outputs");
  ledger.apply(Action::run(0));
  refused(Action::run(0), "forward of node 0 would make nothing that is absent");
  ledger.apply(Action::run(1));
  ledger.apply(Action::run(2));
  refused(Action::run(2), "the loss is not repeatable");
  ledger.apply(Action::run(3));
  ledger.apply(Action::run(4));
  refused(Action::drop(7), "drop of gradient of graph input 0, which may not be dropped");
}

TEST_CASE("a view keeps its source's storage alive") {
  const reprise::Program program(
      {{.kind = reprise::ValueKind::output, .node = 0, .bytes = 8},
       {.kind = reprise::ValueKind::output, .node = 1, .bytes = 8, .view_of = 0}},
      {{.node = 0, .writes = {0}, .repeatable = true},
       {.node = 1, .reads = {0}, .writes = {1}, .repeatable = true},
       {.kind = reprise::OperationKind::loss}},
      2, 1, true);
  Ledger ledger(program);
  ledger.apply(Action::run(0));
  ledger.apply(Action::run(1));
  CHECK(ledger.live_bytes() == 8);
  ledger.apply(Action::drop(0));
  CHECK(ledger.live_bytes() == 8);
  ledger.apply(Action::run(0));
  CHECK(ledger.live_bytes() == 16);
  ledger.apply(Action::drop(1));
  CHECK(ledger.live_bytes() == 8);
}

// Operation 0 makes a gradient and adds to it, operation 1 makes another and adds to the first.
TEST_CASE("an operation that adds to what others made, or they to its, does not run again") {
  const reprise::Program program(
      {{.kind = reprise::ValueKind::gradient, .node = 0, .bytes = 8},
       {.kind = reprise::ValueKind::gradient, .node = 1, .bytes = 8},
       {.kind = reprise::ValueKind::gradient, .node = 2, .bytes = 8}},
      {{.node = 0, .writes = {0}, .accumulates = {0}, .repeatable = true},
       {.node = 1, .writes = {1}, .accumulates = {0}, .repeatable = true},
       {.node = 2, .writes = {2}, .accumulates = {2}, .repeatable = true}},
      reprise::Program::no_operation, 1, true);
  Ledger ledger(program);
  for (const reprise::operation_id op : {0U, 1U, 2U}) ledger.apply(Action::run(op));
  for (const reprise::value_id value : {0U, 1U, 2U}) ledger.apply(Action::drop(value));
  CHECK_THROWS_WITH_AS(ledger.apply(Action::run(0)),
                       "operation 0 would make again without what others add: gradient of output 0 "
                       "of operation 0",
                       InvalidSchedule);
  CHECK_THROWS_WITH_AS(ledger.apply(Action::run(1)),
                       "operation 1 adds to what is absent: gradient of output 0 of operation 0",
                       InvalidSchedule);
  CHECK_NOTHROW(ledger.apply(Action::run(2)));
}

TEST_CASE("an operation does not add a second time to what another made") {
  const reprise::Program program(
      {{.kind = reprise::ValueKind::gradient, .node = 0, .bytes = 8},
       {.kind = reprise::ValueKind::gradient, .node = 1, .bytes = 8}},
      {{.node = 0, .writes = {0}},
       {.node = 1, .writes = {1}, .accumulates = {0}, .repeatable = true}},
      reprise::Program::no_operation, 1, true);
  Ledger ledger(program);
  for (const Action& action : {Action::run(0), Action::run(1), Action::drop(1)}) {
    ledger.apply(action);
  }
  CHECK_THROWS_WITH_AS(ledger.apply(Action::run(1)),
                       "operation 1 would add a second time to gradient of output 0 of operation 0",
                       InvalidSchedule);
}

TEST_CASE("bytes are exact up to the largest sum that a program may have") {
  constexpr reprise::byte_count most = std::numeric_limits<std::int64_t>::max();
  const reprise::Program program({{.node = 0, .bytes = most / 2}},
                                 {{.node = 0, .writes = {0}, .transient_bytes = 1}},
                                 reprise::Program::no_operation, 1, true, {0});
  Ledger ledger(program);
  CHECK(ledger.bytes_during(Action::run(0)) == most / 2 + 1);
  ledger.apply(Action::run(0));
  CHECK(ledger.live_bytes() == most / 2);
}
