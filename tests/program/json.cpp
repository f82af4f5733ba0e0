// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <reprise/program/json.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <string>

#include "support/chain_program.hpp"
#include "support/random_program.hpp"

namespace {

using reprise::CorruptState;
using reprise::schedule_from_json;
using reprise::schedule_to_json;

reprise::Schedule keep_none(const reprise::Program& program) {
  return reprise::schedule_from_saved(program, reprise::SavedSet(program.values().size(), 0));
}

}  // namespace

TEST_CASE("a schedule survives the way through text") {
  for (std::uint32_t seed = 0; seed < 50; ++seed) {
    const auto program = reprise_test::random_program(seed);
    const auto schedule = keep_none(program);
    CHECK(schedule_from_json(schedule_to_json(program, schedule), program) == schedule);
  }
  const auto skipping = reprise_test::chain_program(2, true);
  const std::string text = schedule_to_json(skipping, keep_none(skipping));
  CHECK(text.find("skips_output") != std::string::npos);
  CHECK(schedule_from_json(text, skipping) == keep_none(skipping));
}

TEST_CASE("a truncated text is refused at every length") {
  const auto program = reprise_test::chain_program(2);
  const std::string text = schedule_to_json(program, keep_none(program));
  for (std::size_t size = 0; size < text.size(); ++size) {
    CHECK_THROWS_AS(static_cast<void>(schedule_from_json(text.substr(0, size), program)),
                    CorruptState);
  }
}

TEST_CASE("a flipped bit is refused, or leaves a valid schedule") {
  const auto program = reprise_test::chain_program(2, true);
  const std::string text = schedule_to_json(program, keep_none(program));
  for (std::size_t bit = 0; bit < 8 * text.size(); ++bit) {
    CAPTURE(bit);
    std::string flipped = text;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    try {
      const auto schedule = schedule_from_json(flipped, program);
      CHECK_NOTHROW(static_cast<void>(reprise::simulate(program, schedule)));
    } catch (const CorruptState&) {
    }
  }
}

TEST_CASE("another program, an unknown version and an invalid schedule are refused") {
  const auto program = reprise_test::chain_program(2);
  const std::string text = schedule_to_json(program, keep_none(program));
  CHECK_THROWS_AS(static_cast<void>(schedule_from_json(text, reprise_test::chain_program(3))),
                  CorruptState);
  std::string later = text;
  const std::string mark = "\"reprise_schedule\":1";
  later.replace(later.find(mark), mark.size(), "\"reprise_schedule\":2");
  CHECK_THROWS_WITH_AS(static_cast<void>(schedule_from_json(later, program)),
                       "not a schedule of this program: its version is not 1", CorruptState);
  CHECK_THROWS_WITH_AS(
      static_cast<void>(schedule_from_json(schedule_to_json(program, {}), program)),
      "not a schedule of this program: forward of node 0 never runs", CorruptState);
}

TEST_CASE("a text that is nested 100,000 times is refused, wherever it is") {
  const auto program = reprise_test::chain_program(2);
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  const std::string start = "{\"reprise_schedule\":1,\"program\":";
  const std::string fingerprint =
      "\"" + reprise::schedule_json::hexadecimal(program.fingerprint()) + "\"";
  for (const std::string& text : {deep, "{\"reprise_schedule\":" + deep + "}", start + deep + "}",
                                  start + fingerprint + ",\"actions\":" + deep + "}",
                                  start + fingerprint + ",\"actions\":[[" + deep + ",1]]}"}) {
    CHECK_THROWS_AS(static_cast<void>(schedule_from_json(text, program)), CorruptState);
  }
}

TEST_CASE("an action that the program does not have is refused") {
  const auto program = reprise_test::chain_program(2);
  const std::string text = schedule_to_json(program, keep_none(program));
  for (const char* action :
       {"[\"run\",99]", "[\"drop\",99]", "[\"run\",4294967295]", "[\"drop\",4294967296]",
        "[\"run\",-1]", "[\"run\",1e400]", "[\"jump\",0]", "[]", "7", "null"}) {
    CAPTURE(action);
    std::string changed = text;
    const std::string mark = "[[";
    changed.replace(changed.find(mark), mark.size(), "[" + std::string(action) + ",[");
    CHECK_THROWS_AS(static_cast<void>(schedule_from_json(changed, program)), CorruptState);
  }
}
