// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Whatever a program is made from, it is refused or means what it says: it runs once in its own
// order, it can be laid out and explained, and any schedule is played or refused.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/program/bounds.hpp>
#include <reprise/program/explain.hpp>
#include <reprise/program/json.hpp>
#include <reprise/program/layout.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/release_points.hpp>
#include <reprise/program/simulate.hpp>
#include <vector>

#include "program_from_bytes.hpp"

namespace {

using reprise::Action;
using reprise::byte_count;
using reprise::Program;
using reprise::Schedule;
using reprise::value_id;

void expect(bool holds) {
  if (!holds) std::abort();
}

/// Each operation once, and at the end everything goes that may.
Schedule in_own_order(const Program& program) {
  Schedule schedule;
  reprise::Ledger ledger(program);
  const auto apply = [&](const Action& action) {
    ledger.apply(action);
    schedule.actions.push_back(action);
  };
  for (reprise::operation_id op = 0; op < program.operations().size(); ++op) {
    apply(Action::run(op));
  }
  std::vector<std::uint8_t> is_result(program.values().size(), 0);
  for (const value_id result : program.results()) is_result[result] = 1;
  for (value_id v = 0; v < program.values().size(); ++v) {
    const bool stays = program.is_given(v) || program.values()[v].stays || is_result[v] != 0;
    if (ledger.is_present(v) && !stays) apply(Action::drop(v));
  }
  return schedule;
}

void check_told(const Program& program, const Schedule& schedule) {
  const reprise::ArenaLayout laid = layout(program, schedule, {.alignment = 8, .tries = 3});
  expect(laid.live_bytes <= laid.high_water);
  for (const reprise::ArenaBlock& block : laid.blocks) {
    expect(block.offset % 8 == 0 && block.bytes <= laid.high_water &&
           block.offset <= laid.high_water - block.bytes);
  }
  expect(!explain(program, schedule).empty());
  for (value_id v = 0; v < program.values().size(); ++v) {
    expect(!explain(program, schedule, v).empty());
  }
}

void check_any_schedule(const Program& program, const Schedule& schedule) {
  try {
    check_actions(program, schedule);
    check_told(program, schedule);
    static_cast<void>(simulate(program, schedule));
  } catch (const reprise::InvalidSchedule&) {
  } catch (const reprise::InvalidArgument&) {  // its blocks are too many for 64 bits
  }
}

std::optional<Program> make(reprise_test::ByteReader& bytes) {
  const reprise_test::ProgramParts parts(bytes);
  try {
    return parts.program();
  } catch (const reprise::InvalidGraph&) {
    return std::nullopt;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  reprise_test::ByteReader bytes(data, size);
  const std::optional<Program> program = make(bytes);
  if (!program) return 0;
  const Schedule once = in_own_order(*program);
  const reprise::Simulation played = simulate(*program, once);
  expect(lower_bound_bytes(*program) <= played.peak_bytes);
  expect(played.peak_bytes < byte_count{1} << 63U);
  expect(schedule_from_json(schedule_to_json(*program, once), *program) == once);
  expect(release_points(*program).size() == program->operations().size());
  check_any_schedule(*program, once);
  check_any_schedule(*program, schedule_from_bytes(bytes, *program));
  return 0;
}
