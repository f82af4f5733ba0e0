// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <reprise/program/bounds.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <reprise/program/simulate.hpp>
#include <vector>

#include "support/chain_program.hpp"
#include "support/random_program.hpp"
#include "support/seed.hpp"

namespace {

using reprise::Program;
using reprise::RecomputedLifetime;
using reprise::SavedSet;
using reprise_test::chain_program;
using reprise_test::random_program;

std::vector<reprise::operation_id> runs_of(const reprise::Schedule& schedule) {
  std::vector<reprise::operation_id> runs;
  for (const reprise::Action& action : schedule.actions) {
    if (action.kind == reprise::ActionKind::run) runs.push_back(action.index);
  }
  return runs;
}

}  // namespace

TEST_CASE("a value that is not kept is recomputed once, or each time that a backward needs it") {
  const auto program = chain_program(3);
  const SavedSet none(program.values().size(), 0);
  const auto once = reprise::simulate(program, reprise::schedule_from_saved(program, none));
  CHECK(once.peak_bytes == 36);
  CHECK(once.boundary_bytes == 8);
  CHECK(once.recomputed_cost == 3);
  CHECK(once.recomputes_per_layer == std::vector<std::uint32_t>{1, 1, 1});
  const auto each = reprise::simulate(
      program, reprise::schedule_from_saved(program, none, RecomputedLifetime::one_backward));
  CHECK(each.peak_bytes == 28);
  CHECK(each.recomputed_cost == 6);
  CHECK(each.recomputes_per_layer == std::vector<std::uint32_t>{3, 2, 1});
}

TEST_CASE("a rerun for saved state alone skips outputs where the node can") {
  const auto program = chain_program(1, true);
  const auto schedule = reprise::schedule_from_saved(program, SavedSet(program.values().size(), 0));
  using reprise::Action;
  const std::vector<Action> expected{Action::run(0),  Action::drop(2),      Action::run(1),
                                     Action::drop(1), Action::run(0, true), Action::run(2),
                                     Action::drop(2), Action::drop(3)};
  CHECK(schedule.actions == expected);
}

TEST_CASE("a rerun for saved state alone skips an output of which there is a copy") {
  const auto chain = chain_program(1, true);
  std::vector<reprise::Operation> operations(chain.operations().begin(), chain.operations().end());
  operations.back().reads.push_back(1);  // backward reads the output, which is kept
  const Program program({chain.values().begin(), chain.values().end()}, operations, chain.loss(),
                        chain.layer_count(), true);
  SavedSet kept(program.values().size(), 0);
  kept[1] = 1;
  using reprise::Action;
  const std::vector<Action> expected{Action::run(0),       Action::drop(2), Action::run(1),
                                     Action::run(0, true), Action::run(2),  Action::drop(1),
                                     Action::drop(2),      Action::drop(3)};
  CHECK(reprise::schedule_from_saved(program, kept).actions == expected);
}

TEST_CASE("skipping outputs never raises a peak and changes no run") {
  REPRISE_SEEDED(random);
  std::size_t lower = 0;
  for (int i = 0; i < 2000; ++i) {
    const auto graph_seed = static_cast<std::uint32_t>(random());
    CAPTURE(graph_seed);
    const Program program = random_program(graph_seed);
    std::vector<reprise::Operation> operations(program.operations().begin(),
                                               program.operations().end());
    for (reprise::Operation& op : operations) op.can_skip_output = false;
    const Program cannot({program.values().begin(), program.values().end()}, operations,
                         program.loss(), program.layer_count(), program.cost_is_flops());
    SavedSet kept(program.values().size());
    for (auto& flag : kept) flag = random() % 2 == 0 ? 1 : 0;
    const auto recompute =
        random() % 2 == 0 ? RecomputedLifetime::until_last_read : RecomputedLifetime::one_backward;
    const auto skipping = reprise::schedule_from_saved(program, kept, recompute);
    const auto whole = reprise::schedule_from_saved(cannot, kept, recompute);
    REQUIRE(runs_of(skipping) == runs_of(whole));
    const auto peak = reprise::simulate(program, skipping).peak_bytes;
    const auto whole_peak = reprise::simulate(cannot, whole).peak_bytes;
    REQUIRE(peak <= whole_peak);
    lower += peak < whole_peak ? 1 : 0;
  }
  CHECK(lower > 0);
}

TEST_CASE("a saved set of another program is refused") {
  const auto program = chain_program(2);
  CHECK_THROWS_AS(static_cast<void>(reprise::schedule_from_saved(program, SavedSet(3))),
                  reprise::InvalidArgument);
}

TEST_CASE("no plan needs less than the lower bound") {
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    const auto program = random_program(seed);
    const auto bound = reprise::lower_bound_bytes(program);
    std::mt19937 random(seed);
    for (int plan = 0; plan < 20; ++plan) {
      SavedSet set(program.values().size());
      for (auto& flag : set) flag = random() % 2 == 0 ? 1 : 0;
      const auto recompute =
          plan % 2 == 0 ? RecomputedLifetime::until_last_read : RecomputedLifetime::one_backward;
      REQUIRE(bound <=
              reprise::simulate(program, reprise::schedule_from_saved(program, set, recompute))
                  .peak_bytes);
    }
  }
}

TEST_CASE("depth is no limit") {
  constexpr std::uint32_t depth = 100'000;
  const auto program = chain_program(depth);
  const auto played = reprise::simulate(
      program, reprise::schedule_from_saved(program, SavedSet(program.values().size(), 0)));
  CHECK(played.recomputed_cost == depth);
  CHECK(played.boundary_bytes == 8);
}

TEST_CASE("what stays is made once, though its operation runs again for something else") {
  auto values = std::vector<reprise::Value>{{.bytes = 100},
                                            {.bytes = 4, .stays = true},
                                            {.kind = reprise::ValueKind::gradient, .bytes = 8}};
  std::vector<reprise::Operation> operations{
      {.writes = {0, 1}, .cost = 1, .repeatable = true},
      {.kind = reprise::OperationKind::loss, .reads = {0}, .writes = {2}},
      {.kind = reprise::OperationKind::backward, .reads = {0, 1, 2}}};
  const Program program(std::move(values), std::move(operations), 1, 1, true, {1});
  const auto schedule = reprise::schedule_from_saved(program, SavedSet(3, 0));
  using reprise::Action;
  CHECK(schedule.actions == std::vector<Action>{Action::run(0), Action::run(1), Action::drop(0),
                                                Action::run(0), Action::run(2), Action::drop(0),
                                                Action::drop(2)});
  CHECK(reprise::simulate(program, schedule).recomputed_cost == 1);
}

TEST_CASE("what cannot be recomputed is kept, and a result is there at the end") {
  // 0 cannot run again, 1 takes over what it made, 2 can; the result is an output of 2.
  auto values = std::vector<reprise::Value>{
      {.bytes = 8}, {.bytes = 8}, {.bytes = 8}, {.kind = reprise::ValueKind::gradient, .bytes = 8}};
  std::vector<reprise::Operation> operations{
      {.writes = {0}, .cost = 1},
      {.reads = {0}, .writes = {1}, .consumes = {0}, .cost = 1, .repeatable = true},
      {.reads = {1}, .writes = {2}, .cost = 1, .repeatable = true},
      {.kind = reprise::OperationKind::loss, .reads = {2}, .writes = {3}},
      {.kind = reprise::OperationKind::backward, .reads = {1, 3}}};
  const Program program(std::move(values), std::move(operations), 3, 1, true, {2});
  for (const auto recompute :
       {RecomputedLifetime::until_last_read, RecomputedLifetime::one_backward}) {
    const auto nothing = reprise::schedule_from_saved(program, SavedSet(4, 0), recompute);
    CHECK(reprise::simulate(program, nothing).recomputed_cost == 1);  // 2, for the result
    const auto all = reprise::schedule_from_saved(program, SavedSet(4, 1), recompute);
    CHECK(reprise::simulate(program, all).recomputed_cost == 0);
  }
}
