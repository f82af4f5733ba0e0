// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/online.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/staged/staged_plan.hpp>
#include <reprise/planner/staged/staged_schedule.hpp>
#include <reprise/program/arena_player.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include "support/arithmetic_kernels.hpp"
#include "support/cases.hpp"
#include "support/chain_program.hpp"
#include "support/place_random.hpp"
#include "support/plans_at_budgets.hpp"
#include "support/random_program.hpp"
#include "support/seed.hpp"
#include "support/wild_program.hpp"

namespace {

using reprise::Action;
using reprise::ArenaCall;
using reprise::ArenaLayout;
using reprise::ArenaPlayer;
using reprise::byte_count;
using reprise::Program;
using reprise::Schedule;
using reprise::value_id;
using reprise_test::ArithmeticKernels;

/// Aligned memory with a few bytes behind it that nobody may touch.
class GuardedSlab {
 public:
  static constexpr std::size_t alignment = 256;
  static constexpr std::size_t guard = 32;

  explicit GuardedSlab(std::size_t bytes)
      : bytes_(bytes), memory_(bytes + alignment + guard, std::byte{0x5C}) {
    const auto address = reinterpret_cast<std::uintptr_t>(memory_.data());
    begin_ = (alignment - address % alignment) % alignment;
  }

  [[nodiscard]] std::span<std::byte> span() { return std::span(memory_).subspan(begin_, bytes_); }
  [[nodiscard]] bool is_intact() const {
    return std::ranges::all_of(std::span(memory_).subspan(begin_ + bytes_, guard),
                               [](std::byte one) { return one == std::byte{0x5C}; });
  }

 private:
  std::size_t bytes_;
  std::vector<std::byte> memory_;
  std::size_t begin_ = 0;
};

/// What came up in a play.
struct Seen {
  std::size_t zeros = 0;
  std::size_t adds = 0;
  std::size_t shared = 0;
  std::size_t reruns = 0;
};

void check_results(const Program& program, const ArenaPlayer& player,
                   const reprise_test::PlainPlay& plain) {
  const reprise_test::Arithmetic arithmetic(program);
  for (const value_id result : program.results()) {
    const auto* const place = static_cast<const std::uint8_t*>(player.place(result));
    const std::size_t bytes = arithmetic.bytes(result);
    if (bytes == 0) continue;
    REQUIRE(place != nullptr);
    CHECK(std::ranges::equal(std::span(place, bytes), plain.contents(result)));
  }
}

// Two passes, so that nothing of the first one is left over in the second.
void check_play(const Program& program, const Schedule& schedule, std::mt19937_64& random,
                Seen& seen) {
  constexpr std::array<byte_count, 4> alignments{1, 4, 16, GuardedSlab::alignment};
  const byte_count alignment = alignments[random() % alignments.size()];
  const ArenaLayout layout =
      reprise::layout(program, schedule, {.alignment = alignment, .tries = 5});
  GuardedSlab slab(layout.high_water);
  ArenaPlayer player(program, schedule, layout, slab.span());
  const reprise_test::Arithmetic arithmetic(program);
  std::vector<reprise_test::Contents> given(program.values().size());
  for (value_id v = 0; v < given.size(); ++v) {
    if (!program.is_given(v)) continue;
    given[v] = arithmetic.given(v);
    player.bind(v, given[v].data());
  }
  ArithmeticKernels kernels(program, schedule, layout, slab.span());
  for (int pass = 0; pass < 2; ++pass) {
    kernels.begin();
    player.play(kernels);
    check_results(program, player, kernels.plain());
  }
  CHECK(slab.is_intact());
  for (value_id v = 0; v < given.size(); ++v) {
    if (program.is_given(v)) CHECK(given[v] == arithmetic.given(v));
  }
  seen.zeros += kernels.zeros;
  seen.adds += kernels.adds;
  seen.shared += kernels.shared;
  std::vector<char> has_run(program.operations().size(), 0);
  for (const Action& action : schedule.actions) {
    if (action.kind != reprise::ActionKind::run) continue;
    seen.reruns += static_cast<std::size_t>(std::exchange(has_run[action.index], char{1}));
  }
}

// Without a budget, at the smallest one and half way between.
template <class P>
void check_plans(const Program& program, const P& planner, std::mt19937_64& random, Seen& seen) {
  reprise_test::with_plans_at_budgets(
      planner, {.program = program},
      [&](const reprise::Plan& plan) { check_play(program, plan.schedule, random, seen); });
}

struct Fixture {
  Program program = reprise_test::chain_program(6);
  Schedule schedule = schedule_from_saved(program, reprise::SavedSet(program.values().size(), 0));
  ArenaLayout layout = reprise::layout(program, schedule, {.tries = 5});
  GuardedSlab slab{layout.high_water};

  void check_refused(const ArenaLayout& other, const char* says) {
    CHECK_THROWS_WITH_AS((ArenaPlayer{program, schedule, other, slab.span()}),
                         doctest::Contains(says), reprise::InvalidArgument);
  }
};

}  // namespace

TEST_CASE("each operation reads in its slab what it reads where everything is kept") {
  REPRISE_SEEDED(random);
  Seen seen;
  for (std::size_t i = 0; i < reprise_test::cases(60); ++i) {
    CAPTURE(i);
    const bool has_loss = random() % 3 != 0;
    const Program program = reprise_test::wild_program(
        random, {.has_loss = has_loss, .views_outlive = random() % 2 == 0});
    check_plans(program, reprise::MinCut{}, random, seen);
    check_plans(program, reprise::LocalSearch{{.tries = 60, .threads = 1}}, random, seen);
    check_plans(program, reprise::Online<reprise::DtrEqClass>{}, random, seen);
    if (has_loss) check_plans(program, reprise::RecomputeAll{}, random, seen);
  }
  CHECK(seen.zeros > 0);
  CHECK(seen.adds > 0);
  CHECK(seen.shared > 0);
  CHECK(seen.reruns > 0);
}

TEST_CASE("graphs and schedules of every kind play in a slab too") {
  REPRISE_SEEDED(random);
  Seen seen;
  for (std::uint32_t seed = 0; seed < reprise_test::cases(20); ++seed) {
    CAPTURE(seed);
    const Program program = reprise_test::random_program(seed);
    check_plans(program, reprise::MinCut{}, random, seen);
    const reprise::staged::StagedProgram staged(program);
    reprise::staged::StagedPlan plan(staged, {});
    reprise_test::place_random(plan, random, 20);
    check_play(program, schedule_of(plan), random, seen);
  }
  CHECK(seen.reruns > 0);
}

TEST_CASE("a gradient that is made by adding never begins in the place of what is consumed") {
  const Program program({{.node = 0, .bytes = 32},
                         {.kind = reprise::ValueKind::gradient, .node = 0, .bytes = 32},
                         {.kind = reprise::ValueKind::gradient, .node = 0, .bytes = 32}},
                        {{.node = 0, .writes = {0}},
                         {.kind = reprise::OperationKind::loss, .reads = {0}, .writes = {1}},
                         {.kind = reprise::OperationKind::backward,
                          .node = 0,
                          .reads = {1},
                          .writes = {2},
                          .consumes = {1},
                          .adds_in_place = true}},
                        1, 1, true, {2});
  const Schedule schedule{{Action::run(0), Action::run(1), Action::drop(0), Action::run(2)}};
  REPRISE_SEEDED(random);
  Seen seen;
  check_play(program, schedule, random, seen);
  CHECK(seen.zeros == 2);
  CHECK(seen.shared == 0);
}

TEST_CASE("a rerun adds to the copy of a gradient that it makes, not to the gradient") {
  REPRISE_SEEDED(random);
  for (const bool in_place : {false, true}) {
    CAPTURE(in_place);
    const Program program({{.kind = reprise::ValueKind::gradient, .node = 0, .bytes = 16},
                           {.node = 0, .port = 1, .bytes = 8}},
                          {{.node = 0,
                            .writes = {0, 1},
                            .accumulates = {0, 0},
                            .repeatable = true,
                            .adds_in_place = in_place}},
                          Program::no_operation, 1, true, {0, 1});
    Seen seen;
    check_play(program, Schedule{{Action::run(0), Action::drop(1), Action::run(0)}}, random, seen);
    CHECK(seen.reruns == 1);
    CHECK((in_place ? seen.zeros : seen.adds) == (in_place ? 4 : 8));
  }
}

TEST_CASE("a program of nothing plays in no slab") {
  const Program program({}, {}, Program::no_operation, 0, true);
  const ArenaLayout layout = reprise::layout(program, {});
  CHECK(layout.high_water == 0);
  int runs = 0;
  ArenaPlayer(program, {}, layout, {}).play([&](const ArenaCall&) { ++runs; });
  CHECK(runs == 0);
}

TEST_CASE_FIXTURE(Fixture, "a player refuses a slab that its layout does not fit") {
  const std::span<std::byte> whole = slab.span();
  CHECK_THROWS_WITH_AS((ArenaPlayer{program, schedule, layout, whole.first(whole.size() - 1)}),
                       doctest::Contains("bytes for a layout that needs"),
                       reprise::InvalidArgument);
  GuardedSlab larger(layout.high_water + 1);
  CHECK_THROWS_WITH_AS(
      (ArenaPlayer{program, schedule, layout, larger.span().subspan(1)}),
      doctest::Contains("1 bytes after a multiple of the layout's alignment of 64"),
      reprise::InvalidArgument);
}

TEST_CASE_FIXTURE(Fixture, "a player refuses a layout that is none of its schedule") {
  const Schedule all = schedule_from_saved(program, reprise::SavedSet(program.values().size(), 1));
  CHECK_THROWS_AS((ArenaPlayer{program, all, layout, slab.span()}), reprise::InvalidArgument);
  CHECK_THROWS_AS((ArenaPlayer{program, Schedule{{Action::drop(0)}}, layout, slab.span()}),
                  reprise::InvalidSchedule);
  ArenaLayout other = layout;
  other.alignment = 3;
  check_refused(other, "is no power of 2");
  other = layout;
  other.blocks.pop_back();
  check_refused(other, "blocks for a schedule that makes");
  other = layout;
  other.blocks[0].bytes += 64;
  check_refused(other, "the layout is of another plan: it has block 0");
  other = layout;
  other.blocks[1].offset += 32;
  check_refused(other, "no multiple of 64");
  other = layout;
  other.blocks[1].offset = byte_count{1} << 63U;
  check_refused(other, "end above the layout's");
  other = layout;
  for (reprise::ArenaBlock& block : other.blocks) block.offset = 0;
  check_refused(other, "share bytes while both are there");
}

TEST_CASE_FIXTURE(Fixture, "a player binds what is given and says where what is left lies") {
  ArenaPlayer player(program, schedule, layout, slab.span());
  std::byte input{};
  player.bind(0, &input);
  CHECK(player.place(0) == &input);
  bool is_read = false;
  player.play([&](const ArenaCall& call) {
    is_read = is_read || std::ranges::find(call.inputs, &input) != call.inputs.end();
  });
  CHECK(is_read);
  const auto count = static_cast<value_id>(program.values().size());
  CHECK_THROWS_WITH_AS(player.bind(1, &input), doctest::Contains("value 1 of a program of"),
                       reprise::InvalidArgument);
  CHECK_THROWS_AS(player.bind(count, &input), reprise::InvalidArgument);
  CHECK(player.place(1) == nullptr);
  CHECK_THROWS_AS(static_cast<void>(player.place(count)), reprise::InvalidArgument);
}

TEST_CASE_FIXTURE(Fixture, "what a kernel throws ends the pass and no other") {
  const ArenaPlayer player(program, schedule, layout, slab.span());
  std::size_t runs = 0;
  CHECK_THROWS_AS(player.play([&](const ArenaCall&) {
    if (++runs == 3) throw std::domain_error("of the engine");
  }),
                  std::domain_error);
  CHECK(runs == 3);
  std::size_t all = 0;
  player.play([&](const ArenaCall&) { ++all; });
  CHECK(all == std::ranges::count(schedule.actions, reprise::ActionKind::run, &Action::kind));
}

TEST_CASE("kernels that lack what a program needs are refused before anything runs") {
  for (const bool in_place : {false, true}) {
    const Program program({{.kind = reprise::ValueKind::gradient, .bytes = 8}},
                          {{.kind = reprise::OperationKind::loss,
                            .writes = {0},
                            .accumulates = {0},
                            .adds_in_place = in_place}},
                          0, 1, true, {0});
    const Schedule schedule{{Action::run(0)}};
    const ArenaLayout layout = reprise::layout(program, schedule);
    GuardedSlab slab(layout.high_water);
    const ArenaPlayer player(program, schedule, layout, slab.span());
    int runs = 0;
    CHECK_THROWS_WITH_AS(player.play([&](const ArenaCall&) { ++runs; }),
                         doctest::Contains(in_place ? "zero(void* place, byte_count bytes)"
                                                    : "add(value_id gradient, void* sum"),
                         reprise::InvalidArgument);
    CHECK(runs == 0);
  }
}
