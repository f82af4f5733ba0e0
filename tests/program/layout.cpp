// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <reprise/planner/staged_plan.hpp>
#include <reprise/planner/staged_schedule.hpp>
#include <reprise/program/keep.hpp>
#include <reprise/program/layout.hpp>
#include <reprise/program/simulate.hpp>
#include <vector>

#include "support/chain_program.hpp"
#include "support/place_random.hpp"
#include "support/random_program.hpp"
#include "support/recorded_programs.hpp"
#include "support/seed.hpp"

namespace {

using reprise::ArenaBlock;
using reprise::ArenaLayout;
using reprise::byte_count;
using reprise::Program;
using reprise::Schedule;

bool overlap_in_time(const ArenaBlock& a, const ArenaBlock& b) {
  return a.first_action <= b.last_action && b.first_action <= a.last_action;
}
bool overlap_in_space(const ArenaBlock& a, const ArenaBlock& b) {
  return a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

// The run that consumes a value hands its very bytes to what it makes.
bool is_handed_over(const Schedule& schedule, const Program& program, const ArenaBlock& a,
                    const ArenaBlock& b) {
  const ArenaBlock& before = a.first_action < b.first_action ? a : b;
  const ArenaBlock& after = a.first_action < b.first_action ? b : a;
  const std::vector<reprise::value_id>& consumed =
      program.operations()[schedule.actions[after.first_action].index].consumes;
  return std::ranges::find(consumed, before.value) != consumed.end() &&
         before.offset == after.offset && before.bytes == after.bytes;
}

bool has_consumers(const Program& program) {
  return std::ranges::any_of(program.operations(),
                             [](const reprise::Operation& op) { return !op.consumes.empty(); });
}

byte_count constant_bytes(const Program& program) {
  byte_count bytes = 0;
  for (const reprise::Value& value : program.values()) {
    if (value.kind == reprise::ValueKind::constant) bytes += value.bytes;
  }
  return bytes;
}

void check_layout(const Program& program, const Schedule& schedule, byte_count alignment) {
  const ArenaLayout laid =
      reprise::layout(program, schedule, {.alignment = alignment, .tries = 20});
  const byte_count peak = simulate(program, schedule).peak_bytes - constant_bytes(program);
  if (alignment == 1) {
    // What no output of its own size takes over stays until its reader ran.
    CHECK(laid.live_bytes >= peak);
    if (!has_consumers(program)) CHECK(laid.live_bytes == peak);
  }
  CHECK(laid.high_water >= laid.live_bytes);
  byte_count top = 0;
  for (std::size_t i = 0; i < laid.blocks.size(); ++i) {
    const ArenaBlock& block = laid.blocks[i];
    CHECK(block.offset % alignment == 0);
    top = std::max(top, block.offset + block.bytes);
    for (std::size_t j = 0; j < i; ++j) {
      const ArenaBlock& other = laid.blocks[j];
      if (!overlap_in_time(block, other) || !overlap_in_space(block, other)) continue;
      CHECK(is_handed_over(schedule, program, block, other));
    }
  }
  CHECK(top == laid.high_water);
}

}  // namespace

TEST_CASE("nothing lies where something else is, on schedules of every kind") {
  REPRISE_SEEDED(random);
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    const Program program = seed % 3 == 0 ? reprise_test::random_recorded_program(random, 30)
                                          : reprise_test::random_program(seed);
    const reprise::StagedProgram staged(program);
    reprise::StagedPlan plan(staged, {});
    reprise_test::place_random(plan, random, 20);
    check_layout(program, schedule_of(plan), seed % 2 == 0 ? 1 : 16);
  }
}

TEST_CASE("each value that a run makes has a block, the second time too") {
  const Program program = reprise_test::chain_program(3);
  const Schedule schedule = keep(program, reprise::KeepSet(program.values().size(), 0));
  const ArenaLayout laid = reprise::layout(program, schedule);
  for (std::uint32_t i = 0; i < schedule.actions.size(); ++i) {
    const reprise::Action& action = schedule.actions[i];
    if (action.kind != reprise::ActionKind::run) continue;
    for (const reprise::value_id written : program.operations()[action.index].writes) {
      CHECK(std::ranges::any_of(laid.blocks, [&](const ArenaBlock& block) {
        return block.value == written && block.first_action == i;
      }));
    }
  }
}

TEST_CASE("what lives one after another lies in the same place") {
  const Program program = reprise_test::chain_program(40);
  const Schedule all = keep(program, reprise::KeepSet(program.values().size(), 1));
  const ArenaLayout laid = reprise::layout(program, all, {.alignment = 1, .tries = 1});
  CHECK(laid.high_water == laid.live_bytes);
}

TEST_CASE(
    "a layout of equal seed and number of tries is the same, and more tries are never worse") {
  REPRISE_SEEDED(random);
  const Program program = reprise_test::random_recorded_program(random, 200);
  const reprise::StagedProgram staged(program);
  reprise::StagedPlan plan(staged, {});
  reprise_test::place_random(plan, random, 100);
  const Schedule schedule = schedule_of(plan);
  const ArenaLayout one = reprise::layout(program, schedule, {.tries = 5});
  const ArenaLayout same = reprise::layout(program, schedule, {.tries = 5});
  CHECK(std::ranges::equal(one.blocks, same.blocks, {}, &ArenaBlock::offset, &ArenaBlock::offset));
  CHECK(reprise::layout(program, schedule, {.tries = 200}).high_water <= one.high_water);
}

TEST_CASE("an alignment that is no power of 2 is refused, and nothing needs no arena") {
  const Program program = reprise_test::chain_program(1);
  CHECK_THROWS_WITH_AS(static_cast<void>(reprise::layout(program, {}, {.alignment = 24})),
                       "an alignment of 24 bytes is no power of 2", reprise::InvalidArgument);
  CHECK(reprise::layout(program, {}).high_water == 0);
}
