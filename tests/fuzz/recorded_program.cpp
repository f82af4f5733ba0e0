// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Any text is a recorded program or is refused with a line that it has; what is accepted can be
// replayed within its own baseline.

#include "recorded_program.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <reprise/eviction/dtr_local.hpp>
#include <reprise/planner/run_online.hpp>
#include <string_view>

#include "malformed_program.hpp"

namespace {

void expect(bool holds) {
  if (!holds) std::abort();
}

void replay_within(const replay::RecordedProgram& recorded, reprise::byte_count budget) {
  const reprise::OnlineRun run =
      run_online(recorded.program, reprise::DtrLocal{},
                 {.budget = budget, .most_recomputed_cost = baseline_compute(recorded)});
  expect(run.peak_bytes <= budget);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const replay::RecordedProgram recorded = replay::parse_recorded_program("fuzzed", text);
    replay_within(recorded, baseline_bytes(recorded));
    replay_within(recorded, baseline_bytes(recorded) / 2);
  } catch (const replay::MalformedProgram& error) {
    const auto breaks = static_cast<std::size_t>(std::ranges::count(text, '\n'));
    expect(error.line() >= 1 && error.line() <= breaks + 2);
  }
  return 0;
}
