// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Any text is a schedule of the program, which is written and read again as it is, or corrupt.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <reprise/core/error.hpp>
#include <reprise/program/json.hpp>
#include <reprise/program/simulate.hpp>
#include <string>
#include <string_view>

#include "support/chain_program.hpp"

namespace {

void expect(bool holds) {
  if (!holds) std::abort();
}

void check(std::string_view text, const reprise::Program& program) {
  try {
    const reprise::Schedule schedule = reprise::schedule_from_json(text, program);
    static_cast<void>(simulate(program, schedule));
    const std::string written = schedule_to_json(program, schedule);
    expect(reprise::schedule_from_json(written, program) == schedule);
  } catch (const reprise::CorruptState&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const reprise::Program program = reprise_test::chain_program(2, true);
  static const std::string start = R"({"reprise_schedule":1,"program":")" +
                                   reprise::schedule_json::hexadecimal(program.fingerprint()) +
                                   R"(","actions":)";
  const std::string text(reinterpret_cast<const char*>(data), size);
  check(text, program);
  // Nobody guesses the fingerprint.
  check(start + text + "}", program);
  return 0;
}
