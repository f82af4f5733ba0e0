// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <reprise/program/ledger.hpp>
#include <reprise/program/schedule_of_runs.hpp>
#include <vector>

#include "support/seed.hpp"
#include "support/wild_program.hpp"

using reprise::Action;
using reprise::ActionKind;
using reprise::operation_id;
using reprise::Program;
using reprise::RunList;
using reprise::Schedule;
using reprise::value_id;

namespace {

/// Operation 0 makes an output (0) and saved state (1), 1 reads the output, 2 the saved state.
Program output_and_saved(bool can_skip_output) {
  return {{{.kind = reprise::ValueKind::output, .bytes = 8},
           {.kind = reprise::ValueKind::saved, .bytes = 4},
           {.kind = reprise::ValueKind::output, .bytes = 1},
           {.kind = reprise::ValueKind::output, .bytes = 1}},
          {{.writes = {0, 1}, .repeatable = true, .can_skip_output = can_skip_output},
           {.reads = {0}, .writes = {2}},
           {.reads = {1}, .writes = {3}}},
          Program::no_operation,
          1,
          true,
          {2, 3}};
}

}  // namespace

TEST_CASE("a value goes right after its last reader, and before it is made anew") {
  const Program program = output_and_saved(false);
  CHECK(schedule_of_runs(program, RunList{0, 1, 2}).actions ==
        std::vector{Action::run(0), Action::run(1), Action::drop(0), Action::run(2),
                    Action::drop(1)});
  CHECK(schedule_of_runs(program, RunList{0, 1, 0, 2}).actions ==
        std::vector{Action::run(0), Action::drop(1), Action::run(1), Action::drop(0),
                    Action::run(0), Action::drop(0), Action::run(2), Action::drop(1)});
}

TEST_CASE("a rerun for saved state alone skips its outputs") {
  const Program program = output_and_saved(true);
  CHECK(schedule_of_runs(program, RunList{0, 1, 0, 2}).actions ==
        std::vector{Action::run(0), Action::drop(1), Action::run(1), Action::drop(0),
                    Action::run(0, true), Action::run(2), Action::drop(1)});
}

TEST_CASE("what is kept stays at the end") {
  const Program program = output_and_saved(false);
  CHECK(schedule_of_runs(program, RunList{0, 1, 2}, std::vector<value_id>{1}).actions ==
        std::vector{Action::run(0), Action::run(1), Action::drop(0), Action::run(2)});
}

TEST_CASE("what is there stays where a run makes a copy of it") {
  const Program plain = output_and_saved(false);
  const std::vector<reprise::ListedCopy> copies{{.run = 1, .value = 0}};
  CHECK(schedule_of_runs(plain, RunList{0, 0, 1, 2}, {}, copies).actions ==
        std::vector{Action::run(0), Action::drop(1), Action::run(0), Action::run(1),
                    Action::drop(0), Action::run(2), Action::drop(1)});
  const Program skipping = output_and_saved(true);
  CHECK(schedule_of_runs(skipping, RunList{0, 0, 1, 2}, {}, copies).actions ==
        std::vector{Action::run(0), Action::drop(1), Action::run(0, true), Action::run(1),
                    Action::drop(0), Action::run(2), Action::drop(1)});
}

TEST_CASE("each program run once in order holds its values from making to last use") {
  REPRISE_SEEDED(random);
  for (std::size_t trial = 0; trial < 500; ++trial) {
    CAPTURE(trial);
    const Program program = reprise_test::wild_program(random);
    RunList runs(program.operations().size());
    for (operation_id op = 0; op < runs.size(); ++op) runs[op] = op;
    const Schedule schedule = schedule_of_runs(program, runs);
    reprise::Ledger ledger(program);
    std::vector<value_id> touched;
    for (const Action& action : schedule.actions) {
      if (action.kind == ActionKind::drop) {
        CHECK(std::ranges::find(touched, action.index) != touched.end());
      } else {
        const reprise::Operation& op = program.operations()[action.index];
        touched.clear();
        for (const auto* list : {&op.reads, &op.writes, &op.accumulates}) {
          touched.insert(touched.end(), list->begin(), list->end());
        }
      }
      ledger.apply(action);
    }
    for (value_id v = 0; v < program.values().size(); ++v) {
      const bool is_result = std::ranges::find(program.results(), v) != program.results().end();
      const bool stays = program.is_given(v) || program.values()[v].stays || is_result;
      CHECK((stays || !ledger.is_present(v)));
    }
  }
}
