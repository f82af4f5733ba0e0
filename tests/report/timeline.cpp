// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// A timeline says when each operation of a schedule runs and what is live then.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <reprise/core/philox.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <reprise/program/simulate.hpp>
#include <reprise/report/timeline.hpp>
#include <vector>

#include "support/chain_program.hpp"
#include "support/keep_random.hpp"
#include "support/seed.hpp"

namespace {

using reprise::Action;
using reprise::Program;
using reprise::Schedule;
using reprise::TimelineStep;

// a (10 bytes, cost 3) -> b (20 bytes, cost 4), each repeatable.
Program two() {
  return {{{.node = 0, .bytes = 10}, {.node = 1, .bytes = 20}},
          {{.node = 0, .writes = {0}, .cost = 3, .repeatable = true},
           {.node = 1, .reads = {0}, .writes = {1}, .cost = 4, .repeatable = true}},
          Program::no_operation,
          1,
          true,
          {1}};
}

}  // namespace

TEST_CASE("steps follow each other in time, and drops come after them") {
  const Program program = two();
  const std::vector<TimelineStep> steps =
      timeline(program, Schedule{{Action::run(0), Action::run(1), Action::drop(1), Action::drop(0),
                                  Action::run(0), Action::run(1)}});
  REQUIRE(steps.size() == 4);
  CHECK(steps[1].start == 3);
  CHECK(steps[1].end == 7);
  CHECK(steps[1].during_bytes == 30);
  CHECK(steps[1].after_bytes == 0);
  CHECK_FALSE(steps[1].is_rerun);
  CHECK(steps[2].is_rerun);
  CHECK(steps[3].during_bytes == 30);
  CHECK(steps[3].after_bytes == 30);
}

TEST_CASE("a schedule may stop early, but may not be wrong") {
  const Program program = two();
  CHECK(timeline(program, Schedule{}).empty());
  CHECK(timeline(program, Schedule{{Action::run(0)}}).size() == 1);
  CHECK_THROWS_AS(static_cast<void>(timeline(program, Schedule{{Action::run(1)}})),
                  reprise::InvalidSchedule);
}

TEST_CASE("peak and recomputation are those of the simulation") {
  for (std::uint32_t layers = 1; layers < 12; ++layers) {
    const Program program = reprise_test::chain_program(layers);
    const reprise::Philox random(reprise_test::seed(), layers);
    reprise::SavedSet kept(program.values().size());
    for (std::size_t i = 0; i < kept.size(); ++i) {
      kept[i] = static_cast<std::uint8_t>(random.bits(i) & 1U);
    }
    CAPTURE(reprise_test::seed());
    CAPTURE(layers);
    const Schedule schedule = schedule_from_saved(program, kept);
    const reprise::Simulation played = simulate(program, schedule);
    reprise::byte_count peak = 0;
    double recomputed = 0;
    for (const TimelineStep& step : timeline(program, schedule)) {
      peak = std::max(peak, step.during_bytes);
      if (step.is_rerun) recomputed += step.end - step.start;
    }
    CHECK(peak == played.peak_bytes);
    CHECK(recomputed == doctest::Approx(played.recomputed_cost));
  }
}
