// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <reprise/program/bounds.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <reprise/program/simulate.hpp>
#include <vector>

#include "support/chain_program.hpp"
#include "support/exhaustive_plan.hpp"
#include "support/random_program.hpp"
#include "support/recorded_programs.hpp"
#include "support/seed.hpp"
#include "support/wild_forms.hpp"

namespace {

using reprise::Program;
using reprise::ValueKind;

}  // namespace

TEST_CASE("no schedule needs less than the bound") {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    CAPTURE(seed);
    const Program program = reprise_test::random_program(seed);
    for (const std::uint8_t is_kept : {std::uint8_t{0}, std::uint8_t{1}}) {
      const reprise::SavedSet kept(program.values().size(), is_kept);
      CHECK(lower_bound_bytes(program) <=
            simulate(program,
                     schedule_from_saved(program, kept, reprise::RecomputedLifetime::one_backward))
                .peak_bytes);
    }
  }
}

TEST_CASE("a gradient that an operation reads twice counts once") {
  const Program program({{.kind = ValueKind::gradient, .node = 0, .bytes = 8},
                         {.kind = ValueKind::gradient, .node = 1, .bytes = 4},
                         {.kind = ValueKind::gradient, .node = 2, .bytes = 2}},
                        {{.node = 0, .writes = {0}},
                         {.node = 1, .reads = {0, 0}, .writes = {1}},
                         {.node = 2, .reads = {1}, .writes = {2}}},
                        Program::no_operation, 1, true, {2});
  CHECK(lower_bound_bytes(program) == 12);
}

// A value of 8 bytes, a view of it that says 100, both consumed by what makes 4.
TEST_CASE("what is consumed under two names is taken off once, by its own bytes") {
  const Program program(
      {{.node = 0, .bytes = 8}, {.node = 1, .bytes = 100, .view_of = 0}, {.node = 2, .bytes = 4}},
      {{.node = 0, .writes = {0}},
       {.node = 1, .reads = {0}, .writes = {1}},
       {.node = 2, .reads = {0, 1}, .writes = {2}, .consumes = {0, 1}}},
      Program::no_operation, 1, true, {2});
  CHECK(lower_bound_bytes(program) == 8);
}

TEST_CASE("gradients are held unless they can be recomputed") {
  const auto bound = [](bool repeatable) {
    return lower_bound_bytes(Program({{.kind = ValueKind::gradient, .node = 0, .bytes = 8},
                                      {.kind = ValueKind::gradient, .node = 1, .bytes = 4},
                                      {.kind = ValueKind::gradient, .node = 2, .bytes = 1}},
                                     {{.node = 0, .writes = {0}, .repeatable = repeatable},
                                      {.node = 1, .writes = {1}, .transient_bytes = 6},
                                      {.node = 2, .reads = {0, 1}, .writes = {2}}},
                                     Program::no_operation, 1, true, {2}));
  };
  CHECK(bound(false) == 8 + 4 + 6);
  CHECK(bound(true) == 8 + 4 + 1);
}

TEST_CASE("while the last result is made the others are there") {
  const Program program({{.node = 0, .bytes = 8},
                         {.node = 1, .bytes = 10},
                         {.node = 2, .bytes = 7},
                         {.node = 3, .bytes = 10}},
                        {{.node = 0, .writes = {0}, .repeatable = true},
                         {.node = 1, .reads = {0}, .writes = {1}, .repeatable = true},
                         {.node = 2, .writes = {2}, .repeatable = true},
                         {.node = 3, .reads = {2}, .writes = {3}, .repeatable = true}},
                        Program::no_operation, 1, true, {1, 3});
  CHECK(sharper_lower_bound_bytes(program) == 10 + 10 + 7);
}

TEST_CASE("while the last operand is made the others are there") {
  const Program program({{.node = 0, .bytes = 30},
                         {.node = 1, .bytes = 10},
                         {.node = 2, .bytes = 25},
                         {.node = 3, .bytes = 10},
                         {.node = 4, .bytes = 1}},
                        {{.node = 0, .writes = {0}, .repeatable = true},
                         {.node = 1, .reads = {0}, .writes = {1}, .repeatable = true},
                         {.node = 2, .writes = {2}, .repeatable = true},
                         {.node = 3, .reads = {2}, .writes = {3}, .repeatable = true},
                         {.node = 4, .reads = {1, 3}, .writes = {4}, .repeatable = true}},
                        Program::no_operation, 1, true, {4});
  CHECK(sharper_lower_bound_bytes(program) == 10 + 10 + 25);
}

TEST_CASE("exhaustive search finds nothing below the bound, and often a plan at it") {
  REPRISE_SEEDED(random);
  int reached = 0;
  constexpr int trials = 150;
  for (int trial = 0; trial < trials; ++trial) {
    CAPTURE(trial);
    const Program program = trial % 3 == 0 ? reprise_test::random_formed_program(random)
                                           : reprise_test::random_recorded_program(random, 8);
    const reprise::byte_count bound = sharper_lower_bound_bytes(program);
    const auto has_plan = [&](reprise::byte_count budget) {
      return std::isfinite(
          reprise_test::cheapest_recomputation(program, budget, Program::no_operation));
    };
    CHECK(bound >= lower_bound_bytes(program));
    CHECK((bound == 0 || !has_plan(bound - 1)));
    reached += has_plan(bound) ? 1 : 0;
  }
  CHECK(reached > trials / 2);
}
