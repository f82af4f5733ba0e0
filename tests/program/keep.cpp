// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <random>
#include <reprise/program/bounds.hpp>
#include <reprise/program/keep.hpp>
#include <reprise/program/simulate.hpp>

#include "support/chain_program.hpp"

namespace {

using reprise::KeepSet;
using reprise::Remake;
using reprise_test::chain_program;
using reprise_test::random_program;

}  // namespace

TEST_CASE("a value that is not kept is remade once, or each time that a backward needs it") {
  const auto program = chain_program(3);
  const KeepSet none(program.values().size(), 0);
  const auto once = reprise::simulate(program, reprise::keep(program, none));
  CHECK(once.peak_bytes == 36);
  CHECK(once.rest_bytes == 8);
  CHECK(once.recomputed_cost == 3);
  CHECK(once.recomputes_per_layer == std::vector<std::uint32_t>{1, 1, 1});
  const auto each = reprise::simulate(program, reprise::keep(program, none, Remake::each_time));
  CHECK(each.peak_bytes == 28);
  CHECK(each.recomputed_cost == 6);
  CHECK(each.recomputes_per_layer == std::vector<std::uint32_t>{3, 2, 1});
}

TEST_CASE("a rerun for saved state alone skips outputs where the node can") {
  const auto program = chain_program(1, true);
  const auto schedule = reprise::keep(program, KeepSet(program.values().size(), 0));
  using reprise::Action;
  const std::vector<Action> expected{Action::run(0),  Action::drop(2),      Action::run(1),
                                     Action::drop(1), Action::run(0, true), Action::run(2),
                                     Action::drop(2), Action::drop(3)};
  CHECK(schedule.actions == expected);
}

TEST_CASE("a keep set of another program is refused") {
  const auto program = chain_program(2);
  CHECK_THROWS_AS(static_cast<void>(reprise::keep(program, KeepSet(3))), reprise::InvalidArgument);
}

TEST_CASE("no plan needs less than the lower bound") {
  for (std::uint32_t seed = 0; seed < 300; ++seed) {
    CAPTURE(seed);
    const auto program = random_program(seed);
    const auto bound = reprise::lower_bound_bytes(program);
    std::mt19937 random(seed);
    for (int plan = 0; plan < 20; ++plan) {
      KeepSet set(program.values().size());
      for (auto& flag : set) flag = random() % 2 == 0 ? 1 : 0;
      const auto remake = plan % 2 == 0 ? Remake::once : Remake::each_time;
      REQUIRE(bound <= reprise::simulate(program, reprise::keep(program, set, remake)).peak_bytes);
    }
  }
}

TEST_CASE("depth is no limit") {
  constexpr std::uint32_t depth = 100'000;
  const auto program = chain_program(depth);
  const auto played =
      reprise::simulate(program, reprise::keep(program, KeepSet(program.values().size(), 0)));
  CHECK(played.recomputed_cost == depth);
  CHECK(played.rest_bytes == 8);
}
