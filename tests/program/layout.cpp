// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/planner/balanced.hpp>
#include <reprise/planner/binomial.hpp>
#include <reprise/planner/every_nth.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/online.hpp>
#include <reprise/planner/optimal_chain.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/square_root.hpp>
#include <reprise/planner/staged/staged_plan.hpp>
#include <reprise/planner/staged/staged_schedule.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/program/layout.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <reprise/program/simulate.hpp>
#include <vector>

#include "support/chain_program.hpp"
#include "support/place_random.hpp"
#include "support/plans_at_budgets.hpp"
#include "support/random_chain.hpp"
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

reprise::value_id storage(const Program& program, reprise::value_id value) {
  while (program.values()[value].view_of) value = *program.values()[value].view_of;
  return value;
}

// The run that consumes a value hands its very bytes to what it makes.
bool is_handed_over(const Schedule& schedule, const Program& program, const ArenaBlock& a,
                    const ArenaBlock& b) {
  const ArenaBlock& before = a.first_action < b.first_action ? a : b;
  const ArenaBlock& after = a.first_action < b.first_action ? b : a;
  const std::vector<reprise::value_id>& consumed =
      program.operations()[schedule.actions[after.first_action].index].consumes;
  return std::ranges::any_of(
             consumed,
             [&](reprise::value_id value) { return storage(program, value) == before.value; }) &&
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

// Memory each byte of which knows which making of which value was the last to write it.
class PlayedArena {
 public:
  PlayedArena(const Program& program, const ArenaLayout& laid)
      : program_(program),
        laid_(laid),
        written_by_(laid.high_water, nothing),
        held_(program.values().size()) {}

  void play(const Schedule& schedule) {
    for (std::uint32_t i = 0; i < schedule.actions.size(); ++i) {
      const reprise::Action& action = schedule.actions[i];
      CAPTURE(i);
      if (action.kind == reprise::ActionKind::drop) {
        held_[action.index].reset();
      } else {
        run(action, i);
      }
    }
    CHECK(next_ == laid_.blocks.size());
    for (const reprise::value_id result : program_.results()) check_there(result);
  }

 private:
  static constexpr std::uint64_t nothing = 0;

  struct Held {
    byte_count offset = 0;
    byte_count bytes = 0;
    std::uint64_t making = nothing;
  };

  // All that a run makes, its scratch memory too, is there at once with all that it reads, but for
  // what it consumes: an output may have exactly that place.
  void run(const reprise::Action& action, std::uint32_t at) {
    const reprise::Operation& op = program_.operations()[action.index];
    for (const reprise::value_id read : op.reads) check_there(read);
    std::vector<Held> made;
    const std::size_t first = next_;
    for (; next_ < laid_.blocks.size() && laid_.blocks[next_].first_action == at; ++next_) {
      made.push_back(write(laid_.blocks[next_]));
    }
    for (const Held& one : made) CHECK(is_intact(one));
    for (const reprise::value_id read : op.reads) {
      if (std::ranges::find(op.consumes, read) == op.consumes.end()) check_there(read);
    }
    for (const reprise::value_id part : op.accumulates) {
      if (std::ranges::find(op.writes, part) == op.writes.end()) check_there(part);
    }
    for (const reprise::value_id consumed : op.consumes) check_taken_whole(consumed, made);
    for (const reprise::value_id written : op.writes) {
      if (held_[written] || skips(action, written)) continue;
      const auto view_of = program_.values()[written].view_of;
      if (view_of) {
        held_[written] = held_[*view_of];
        continue;
      }
      std::size_t block = first;
      while (block < next_ && laid_.blocks[block].value != written) ++block;
      REQUIRE(block < next_);
      CHECK_FALSE(laid_.blocks[block].is_scratch);
      CHECK(laid_.blocks[block].bytes >= program_.values()[written].bytes);
      held_[written] = made[block - first];
    }
    for (const reprise::value_id consumed : op.consumes) held_[consumed].reset();
  }

  [[nodiscard]] bool skips(const reprise::Action& action, reprise::value_id written) const {
    return action.skips_output && program_.values()[written].kind == reprise::ValueKind::output;
  }

  Held write(const ArenaBlock& block) {
    REQUIRE(block.offset + block.bytes <= written_by_.size());
    const Held held{.offset = block.offset, .bytes = block.bytes, .making = ++makings_};
    const auto begin = written_by_.begin() + static_cast<std::ptrdiff_t>(block.offset);
    std::fill(begin, begin + static_cast<std::ptrdiff_t>(block.bytes), held.making);
    return held;
  }

  [[nodiscard]] bool is_intact(const Held& held) const {
    const auto begin = written_by_.begin() + static_cast<std::ptrdiff_t>(held.offset);
    return std::all_of(begin, begin + static_cast<std::ptrdiff_t>(held.bytes),
                       [&](std::uint64_t making) { return making == held.making; });
  }

  void check_there(reprise::value_id value) const {
    if (is_given(value)) return;
    CAPTURE(value);
    REQUIRE(held_[value]);
    CHECK(is_intact(*held_[value]));
  }

  void check_taken_whole(reprise::value_id consumed, const std::vector<Held>& made) const {
    if (is_given(consumed) || !held_[consumed]) return;
    const Held& before = *held_[consumed];
    for (const Held& after : made) {
      const bool is_apart = after.offset + after.bytes <= before.offset ||
                            before.offset + before.bytes <= after.offset;
      CHECK((is_apart || (after.offset == before.offset && after.bytes == before.bytes)));
    }
  }

  // A view of what is the engine's own is the engine's own.
  [[nodiscard]] bool is_given(reprise::value_id value) const {
    return program_.is_given(storage(program_, value));
  }

  const Program& program_;
  const ArenaLayout& laid_;
  std::vector<std::uint64_t> written_by_;  ///< byte -> the making that wrote it last
  std::vector<std::optional<Held>> held_;  ///< value -> where it is now
  std::size_t next_ = 0;                   ///< block that no run has made yet
  std::uint64_t makings_ = 0;
};

void check_arena(const Program& program, const Schedule& schedule, std::mt19937_64& random) {
  constexpr std::array<byte_count, 4> alignments{1, 4, 16, 256};
  const byte_count alignment = alignments[random() % alignments.size()];
  CAPTURE(alignment);
  check_layout(program, schedule, alignment);
  const ArenaLayout laid =
      reprise::layout(program, schedule, {.alignment = alignment, .tries = 20});
  PlayedArena(program, laid).play(schedule);
}

// At its smallest budget, without any, and half way between; nothing if it has no plan at all.
template <class P>
void check_arenas(const P& planner, reprise::PlanRequest request, std::mt19937_64& random) {
  reprise_test::with_plans_at_budgets(planner, request, [&](const reprise::Plan& plan) {
    check_arena(request.program, plan.schedule, random);
  });
}

void check_arenas_of_all(const reprise::PlanRequest& request, std::mt19937_64& random) {
  check_arenas(reprise::MinCut{}, request, random);
  check_arenas(reprise::LocalSearch{{.tries = 500, .threads = 1}}, request, random);
  check_arenas(reprise::Balanced{{.tries = 200}}, request, random);
  check_arenas(reprise::Online<reprise::DtrEqClass>{}, request, random);
  if (!request.program.has_loss()) return;
  check_arenas(reprise::StoreAll{}, request, random);
  check_arenas(reprise::RecomputeAll{}, request, random);
  check_arenas(reprise::EveryNth{3}, request, random);
  check_arenas(reprise::SquareRoot{}, request, random);
}

}  // namespace

TEST_CASE("every byte that a run reads is as its maker left it, whoever planned") {
  REPRISE_SEEDED(random);
  for (std::uint32_t seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    const Program program = seed % 3 == 0 ? reprise_test::random_recorded_program(random, 30)
                                          : reprise_test::random_program(seed);
    const reprise::RecomputedLifetime recompute = seed % 2 == 0
                                                      ? reprise::RecomputedLifetime::until_last_read
                                                      : reprise::RecomputedLifetime::one_backward;
    check_arenas_of_all({.program = program, .recomputed_lifetime = recompute}, random);
  }
}

TEST_CASE("every byte that a run reads is as its maker left it, by the planners of chains") {
  REPRISE_SEEDED(random);
  for (std::uint32_t layers = 1; layers < 12; ++layers) {
    CAPTURE(layers);
    const reprise_test::RandomChainProgram chain(random, {.layers = layers, .unit = 3});
    check_arenas(reprise::OptimalChain{}, {.program = chain.program()}, random);
    check_arenas(reprise::Binomial{}, {.program = chain.program()}, random);
    check_arenas_of_all({.program = chain.program()}, random);
  }
}

// A value, a view of it, what consumes the one or the other, and what reads the view after it.
TEST_CASE("what is consumed hands its place on only if nothing else lies there") {
  REPRISE_SEEDED(random);
  for (const reprise::value_id consumed : {1U, 2U}) {
    for (const bool is_other_dropped : {false, true}) {
      CAPTURE(consumed);
      CAPTURE(is_other_dropped);
      const reprise::value_id other = 3 - consumed;
      const reprise::value_id last = is_other_dropped ? 3 : other;
      const Program program(
          {{.kind = reprise::ValueKind::constant, .bytes = 1},
           {.node = 0, .bytes = 32},
           {.node = 1, .bytes = 32, .view_of = 1},
           {.node = 2, .bytes = 32},
           {.node = 3, .bytes = 32}},
          {{.node = 0, .reads = {0}, .writes = {1}},
           {.node = 1, .reads = {1}, .writes = {2}},
           {.node = 2, .reads = {consumed}, .writes = {3}, .consumes = {consumed}},
           {.node = 3, .reads = {3, last}, .writes = {4}}},
          Program::no_operation, 1, true, {4});
      using reprise::Action;
      Schedule schedule{{Action::run(0), Action::run(1)}};
      if (is_other_dropped) schedule.actions.push_back(Action::drop(other));
      for (const Action& action : {Action::run(2), Action::run(3), Action::drop(3)}) {
        schedule.actions.push_back(action);
      }
      if (!is_other_dropped) schedule.actions.push_back(Action::drop(other));
      check_arena(program, schedule, random);
      const ArenaLayout laid = reprise::layout(program, schedule, {.alignment = 1, .tries = 1});
      CHECK(laid.high_water == (is_other_dropped ? 64 : 96));
    }
  }
}

TEST_CASE("nothing lies where something else is, on schedules of every kind") {
  REPRISE_SEEDED(random);
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    const Program program = seed % 3 == 0 ? reprise_test::random_recorded_program(random, 30)
                                          : reprise_test::random_program(seed);
    const reprise::staged::StagedProgram staged(program);
    reprise::staged::StagedPlan plan(staged, {});
    reprise_test::place_random(plan, random, 20);
    check_arena(program, schedule_of(plan), random);
  }
}

TEST_CASE("each value that a run makes has a block, the second time too") {
  const Program program = reprise_test::chain_program(3);
  const Schedule schedule =
      schedule_from_saved(program, reprise::SavedSet(program.values().size(), 0));
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
  const Schedule all = schedule_from_saved(program, reprise::SavedSet(program.values().size(), 1));
  const ArenaLayout laid = reprise::layout(program, all, {.alignment = 1, .tries = 1});
  CHECK(laid.high_water == laid.live_bytes);
}

TEST_CASE(
    "a layout of equal seed and number of tries is the same, and more tries are never worse") {
  REPRISE_SEEDED(random);
  const Program program = reprise_test::random_recorded_program(random, 200);
  const reprise::staged::StagedProgram staged(program);
  reprise::staged::StagedPlan plan(staged, {});
  reprise_test::place_random(plan, random, 100);
  const Schedule schedule = schedule_of(plan);
  const ArenaLayout one = reprise::layout(program, schedule, {.tries = 5});
  const ArenaLayout same = reprise::layout(program, schedule, {.tries = 5});
  CHECK(std::ranges::equal(one.blocks, same.blocks, {}, &ArenaBlock::offset, &ArenaBlock::offset));
  CHECK(reprise::layout(program, schedule, {.tries = 200}).high_water <= one.high_water);
}

TEST_CASE("a search takes much of what the first layouts are above the bound") {
  REPRISE_SEEDED(random);
  double first = 0;
  double searched = 0;
  for (int i = 0; i < 40; ++i) {
    const Program program = reprise_test::random_recorded_program(random, 200);
    const reprise::staged::StagedProgram staged(program);
    reprise::staged::StagedPlan plan(staged, {});
    reprise_test::place_random(plan, random, 100);
    const Schedule schedule = schedule_of(plan);
    const auto excess = [&](std::uint64_t tries) {
      const ArenaLayout laid = reprise::layout(program, schedule, {.alignment = 1, .tries = tries});
      return static_cast<double>(laid.high_water) / static_cast<double>(laid.live_bytes) - 1;
    };
    first += excess(1);
    searched += excess(500);
  }
  MESSAGE("over the bound by ", first / 40, " at first, and by ", searched / 40);
  CHECK(searched < 2 * first / 3);
}

TEST_CASE("an alignment that is no power of 2 is refused, and nothing needs no arena") {
  const Program program = reprise_test::chain_program(1);
  CHECK_THROWS_WITH_AS(static_cast<void>(reprise::layout(program, {}, {.alignment = 24})),
                       "an alignment of 24 bytes is no power of 2", reprise::InvalidArgument);
  CHECK(reprise::layout(program, {}).high_water == 0);
}

TEST_CASE("an alignment whose blocks pass 2^63 - 1 bytes is refused") {
  const Program program = reprise_test::chain_program(4);
  const Schedule schedule =
      schedule_from_saved(program, reprise::SavedSet(program.values().size(), 1));
  for (const byte_count alignment : {byte_count{1} << 60U, byte_count{1} << 63U}) {
    CAPTURE(alignment);
    CHECK_THROWS_WITH_AS(
        static_cast<void>(reprise::layout(program, schedule, {.alignment = alignment})),
        doctest::Contains("have more than 9223372036854775807 bytes together"),
        reprise::InvalidArgument);
  }
  const ArenaLayout laid =
      reprise::layout(program, schedule, {.alignment = byte_count{1} << 59U, .tries = 1});
  CHECK(laid.high_water >= laid.live_bytes);
}

TEST_CASE("a schedule without meaning has no layout, and a search has an end") {
  const Program program = reprise_test::chain_program(4);
  using reprise::Action;
  for (const Action& action :
       {Action::drop(1'000'000), Action::run(1'000'000), Action::drop(1), Action::run(3)}) {
    CHECK_THROWS_AS(static_cast<void>(reprise::layout(program, Schedule{{action}})),
                    reprise::InvalidSchedule);
  }
  const Schedule longer =
      schedule_from_saved(program, reprise::SavedSet(program.values().size(), 0));
  CHECK_THROWS_AS(static_cast<void>(reprise::layout(reprise_test::chain_program(3), longer)),
                  reprise::InvalidSchedule);
  for (const double seconds :
       {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    CHECK_THROWS_WITH_AS(static_cast<void>(reprise::layout(program, longer, {.seconds = seconds})),
                         doctest::Contains("seconds has no end"), reprise::InvalidArgument);
  }
}
