// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Any text is a recorded program or is refused with a line that it has, the same in whatever pieces
// it comes; what is accepted can be replayed within its own baseline.

#include "recorded_program.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <reprise/eviction/dtr_local.hpp>
#include <reprise/planner/run_online.hpp>
#include <string>
#include <string_view>

#include "log_source.hpp"
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

/// What came of a text: a program, or what is wrong with it.
struct Reading {
  std::optional<replay::RecordedProgram> recorded{};
  std::string fault{};
  std::size_t line = 0;
};

Reading read(std::string_view text, std::size_t piece) {
  replay::LogText source(text, piece);
  try {
    return {.recorded = replay::parse_recorded_program("fuzzed", source)};
  } catch (const replay::MalformedProgram& error) {
    return {.fault = error.what(), .line = error.line()};
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Reading whole = read(text, std::string_view::npos);
  const Reading in_pieces = read(text, 1 + size % 7);
  expect(whole.fault == in_pieces.fault);
  expect(whole.recorded.has_value() == in_pieces.recorded.has_value());
  if (whole.recorded) {
    expect(whole.recorded->names == in_pieces.recorded->names);
    replay_within(*whole.recorded, baseline_bytes(*whole.recorded));
    replay_within(*whole.recorded, baseline_bytes(*whole.recorded) / 2);
  } else {
    const auto breaks = static_cast<std::size_t>(std::ranges::count(text, '\n'));
    expect(whole.line >= 1 && whole.line <= breaks + 2);
  }
  return 0;
}
