// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Programs that were recorded operation by operation: constants that take bytes, no known loss, and
// results that must be there at the end.

#include <doctest/doctest.h>

#include <reprise/program/bounds.hpp>
#include <reprise/program/ledger.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <reprise/program/simulate.hpp>
#include <vector>

namespace {

using reprise::Action;
using reprise::Operation;
using reprise::Program;
using reprise::Schedule;
using reprise::Value;
using reprise::ValueKind;

// w (constant, 100) -> a (10) -> b (20); result = f(a, b) (5).
Program recorded() {
  std::vector<Value> values{{.kind = ValueKind::constant, .bytes = 100},
                            {.node = 0, .bytes = 10},
                            {.node = 1, .bytes = 20},
                            {.node = 2, .bytes = 5}};
  std::vector<Operation> operations{
      {.node = 0, .reads = {0}, .writes = {1}, .cost = 3, .repeatable = true},
      {.node = 1, .reads = {1}, .writes = {2}, .cost = 4, .repeatable = true},
      {.node = 2,
       .reads = {1, 2},
       .writes = {3},
       .releases = {1, 2},
       .cost = 5,
       .repeatable = true}};
  return {std::move(values), std::move(operations), Program::no_operation, 1, true, {3}};
}

}  // namespace

TEST_CASE("constants count from the start and are never dropped") {
  const Program program = recorded();
  reprise::Ledger ledger(program);
  CHECK(ledger.live_bytes() == 100);
  CHECK(ledger.is_present(0));
  CHECK_THROWS_AS(ledger.apply(Action::drop(0)), reprise::InvalidSchedule);
}

TEST_CASE("a recorded program ends with its results and nothing else") {
  const Program program = recorded();
  CHECK_FALSE(program.has_loss());
  CHECK(program.forward_cost() == 12);
  Schedule schedule{.actions = {Action::run(0), Action::run(1), Action::run(2), Action::drop(1),
                                Action::drop(2)}};
  const reprise::Simulation played = simulate(program, schedule);
  CHECK(played.peak_bytes == 135);
  CHECK(played.recomputed_cost == 0);

  schedule.actions.pop_back();
  CHECK_THROWS_WITH_AS(static_cast<void>(simulate(program, schedule)),
                       "never dropped: output 0 of operation 1", reprise::InvalidSchedule);
  schedule.actions.push_back(Action::drop(2));
  schedule.actions.push_back(Action::drop(3));
  CHECK_THROWS_WITH_AS(static_cast<void>(simulate(program, schedule)),
                       "absent at the end: output 0 of operation 2", reprise::InvalidSchedule);
}

TEST_CASE("the bound counts constants, the widest operation and the results") {
  CHECK(lower_bound_bytes(recorded()) == 135);
}

TEST_CASE("a program without a loss has no forward pass that a set could survive") {
  const Program program = recorded();
  CHECK_THROWS_AS(static_cast<void>(
                      schedule_from_saved(program, reprise::SavedSet(program.values().size(), 1))),
                  reprise::InvalidArgument);
}

TEST_CASE("a result that nothing makes is refused") {
  CHECK_THROWS_WITH_AS(Program({{.kind = ValueKind::output, .node = 0, .bytes = 1}}, {},
                               Program::no_operation, 1, true, {0}),
                       "the list of results reads before it is made: output 0 of operation 0",
                       reprise::InvalidGraph);
}

TEST_CASE("a repeatable operation may run for the first time later than the program has it") {
  // derivative is read by the last operation only.
  std::vector<Value> values{{.node = 0, .bytes = 8},
                            {.node = 1, .bytes = 8},
                            {.node = 2, .bytes = 8},
                            {.node = 3, .bytes = 1}};
  std::vector<Operation> operations{{.node = 0, .writes = {0}, .repeatable = true},
                                    {.node = 1, .reads = {0}, .writes = {1}, .repeatable = true},
                                    {.node = 2, .reads = {0}, .writes = {2}},
                                    {.node = 3, .reads = {1, 2}, .writes = {3}}};
  const Program program(std::move(values), std::move(operations), Program::no_operation, 1, true,
                        {3});
  const Schedule deferred{.actions = {Action::run(0), Action::run(2), Action::run(1),
                                      Action::drop(0), Action::run(3), Action::drop(1),
                                      Action::drop(2)}};
  CHECK(simulate(program, deferred).recomputed_cost == 0);
  const Schedule never{.actions = {Action::run(0), Action::run(2)}};
  CHECK_THROWS_WITH_AS(static_cast<void>(simulate(program, never)), "operation 1 never runs",
                       reprise::InvalidSchedule);
}
