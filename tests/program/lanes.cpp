// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Schedules with lanes: what starts, what is awaited, and what time it is.

#include <doctest/doctest.h>

#include <reprise/core/error.hpp>
#include <reprise/program/json.hpp>
#include <reprise/program/ledger.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/simulate.hpp>
#include <string>
#include <vector>

namespace {

using reprise::Action;
using reprise::OperationKind;
using reprise::Program;
using reprise::ValueKind;

// Two nodes; the output of the first is offloaded, and fetched for its backward. Copies take 3.
Program offloading() {
  return {{{.node = 0, .bytes = 100},
           {.node = 1, .bytes = 10},
           {.kind = ValueKind::form, .node = 0, .form_of = 0, .host_bytes = 100},
           {.kind = ValueKind::restored, .node = 0, .bytes = 100, .form_of = 0},
           {.kind = ValueKind::gradient, .node = 1, .bytes = 10},
           {.kind = ValueKind::gradient, .node = 0, .bytes = 100}},
          {{.node = 0, .writes = {0}, .cost = 1, .repeatable = true},
           {.node = 1, .reads = {0}, .writes = {1}, .cost = 4, .repeatable = true},
           {.kind = OperationKind::offload,
            .node = 0,
            .reads = {0},
            .writes = {2},
            .cost = 3,
            .repeatable = true},
           {.kind = OperationKind::loss, .reads = {1}, .writes = {4}, .cost = 1},
           {.kind = OperationKind::backward, .node = 1, .reads = {4, 1}, .writes = {5}, .cost = 8},
           {.kind = OperationKind::fetch,
            .node = 0,
            .reads = {2},
            .writes = {3},
            .cost = 3,
            .repeatable = true},
           {.kind = OperationKind::backward, .node = 0, .reads = {5, 3}, .cost = 2}},
          3,
          1,
          false};
}

const std::vector<Action> one_after_another{
    Action::run(0), Action::run(1),  Action::run(2),  Action::drop(0), Action::run(3),
    Action::run(4), Action::drop(1), Action::drop(4), Action::run(5),  Action::drop(2),
    Action::run(6), Action::drop(5), Action::drop(3)};

const std::vector<Action> side_by_side{
    Action::run(0),   Action::run(1),   Action::start(2), Action::run(3),  Action::await(2),
    Action::drop(0),  Action::start(5), Action::run(4),   Action::drop(1), Action::drop(4),
    Action::await(5), Action::drop(2),  Action::run(6),   Action::drop(5), Action::drop(3)};

std::string refusal(std::vector<Action> actions) {
  try {
    static_cast<void>(reprise::simulate(offloading(), {std::move(actions)}));
  } catch (const reprise::InvalidSchedule& refused) {
    return refused.what();
  }
  return "nothing is refused";
}

}  // namespace

TEST_CASE("a run of another lane makes computing wait for all of it") {
  const reprise::Simulation played = reprise::simulate(offloading(), {one_after_another});
  CHECK(played.seconds == 1 + 4 + 3 + 1 + 8 + 3 + 2);
  CHECK(played.waited_seconds == 6);
  CHECK(played.moved_bytes == 200);
  CHECK(played.peak_host_bytes == 100);
  CHECK(played.peak_bytes == 200);  // what is fetched, beside a gradient
  CHECK(played.boundary_bytes == 10);
}

TEST_CASE("what is started goes beside computing, and takes memory from then on") {
  const reprise::Simulation played = reprise::simulate(offloading(), {side_by_side});
  CHECK(played.seconds == 1 + 4 + 3 + 8 + 2);  // the loss is over before the copy, which it hides
  CHECK(played.waited_seconds == 2);
  CHECK(played.peak_bytes == 100 + 10 + 10 + 100);
  CHECK(played.peak_host_bytes == 100);
}

TEST_CASE("what is under way is not touched") {
  const auto with = [](std::size_t at, Action action) {
    std::vector<Action> actions = side_by_side;
    actions.insert(actions.begin() + static_cast<std::ptrdiff_t>(at), action);
    return actions;
  };
  const auto without = [](std::size_t at) {
    std::vector<Action> actions = side_by_side;
    actions.erase(actions.begin() + static_cast<std::ptrdiff_t>(at));
    return actions;
  };
  CHECK(refusal(with(3, Action::drop(0))) == "drop of what is under way: output 0 of node 0");
  CHECK(refusal(with(3, Action::drop(2))) ==
        "drop of what is under way: form of output 0 of node 0");
  CHECK(refusal(with(3, Action::start(5))) ==
        "fetch for node 0 reads what is under way: form of output 0 of node 0");
  CHECK(refusal(with(3, Action::start(2))) == "offload for node 0 is under way already");
  CHECK(refusal(with(3, Action::start(1))) ==
        "forward of node 1 is started, and has no lane but computing's");
  CHECK(refusal(with(1, Action::await(2))) == "offload for node 0 is awaited, and not under way");
  CHECK(refusal(with(5, Action::await(2))) == "offload for node 0 is awaited, and not under way");
  CHECK(refusal(with(0, Action::start(99))) ==
        "start of operation 99, which is not in the program");
  CHECK(refusal(with(0, Action::await(99))) ==
        "await of operation 99, which is not in the program");
  CHECK(refusal(without(4)) == "drop of what is under way: output 0 of node 0");
  CHECK(refusal(without(10)) == "drop of what is under way: form of output 0 of node 0");
  std::vector<Action> early = side_by_side;
  std::swap(early[10], early[12]);  // the reader before the await
  std::swap(early[11], early[12]);
  CHECK(refusal(early) ==
        "backward of node 0 reads what is under way: restored output 0 of node 0");
}

TEST_CASE("what is never awaited is no end") {
  std::vector<Action> actions = one_after_another;
  actions[2] = Action::start(2);
  actions.erase(actions.begin() + 3);
  CHECK(refusal(actions).find("under way") != std::string::npos);
}

TEST_CASE("lanes come back from JSON") {
  const Program program = offloading();
  const reprise::Schedule schedule{side_by_side};
  CHECK(reprise::schedule_from_json(reprise::schedule_to_json(program, schedule), program) ==
        schedule);
}
