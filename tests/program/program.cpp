// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <limits>
#include <reprise/program/program.hpp>
#include <vector>

#include "support/chain_program.hpp"

TEST_CASE("programs whose schedules differ in meaning differ in their fingerprints") {
  const auto program = reprise_test::chain_program(2);
  CHECK(program.fingerprint() == reprise_test::chain_program(2).fingerprint());
  CHECK(program.fingerprint() != reprise_test::chain_program(2, true).fingerprint());
  const auto changed = [&](auto change) {
    std::vector<reprise::Value> values(program.values().begin(), program.values().end());
    std::vector<reprise::Operation> operations(program.operations().begin(),
                                               program.operations().end());
    change(values, operations);
    return reprise::Program(values, operations, program.turn(), 2, true).fingerprint();
  };
  CHECK(changed([](auto&, auto&) {}) == program.fingerprint());
  CHECK(changed([](auto&, auto& o) { o[3].consumes = {5}; }) != program.fingerprint());
  CHECK(changed([](auto&, auto& o) { o[4].accumulates = {6}; }) != program.fingerprint());
  CHECK(changed([](auto&, auto& o) { o[0].repeatable = false; }) != program.fingerprint());
  CHECK(changed([](auto& v, auto&) { v[3].view_of = 1; }) != program.fingerprint());
  CHECK(changed([](auto& v, auto&) { v[7].stays = false; }) != program.fingerprint());
}

TEST_CASE("a graph input is borrowed: one with bytes is refused") {
  const std::vector<reprise::Operation> operations{
      {.node = 0, .reads = {0}, .writes = {1}, .cost = 1, .repeatable = true}};
  const auto program_of = [&](reprise::ValueKind kind) {
    return reprise::Program({{.kind = kind, .port = 7, .bytes = 12}, {.node = 0, .bytes = 4}},
                            operations, reprise::Program::no_operation, 1, true, {1});
  };
  CHECK_NOTHROW(program_of(reprise::ValueKind::constant));
  CHECK_THROWS_WITH_AS(program_of(reprise::ValueKind::input),
                       doctest::Contains("graph input 7 has 12 bytes"), reprise::InvalidGraph);
}

TEST_CASE("a cost is finite and not negative") {
  const auto program_of = [](double cost) {
    return reprise::Program({{.kind = reprise::ValueKind::input}, {.node = 0, .bytes = 4}},
                            {{.node = 0, .reads = {0}, .writes = {1}, .cost = cost}},
                            reprise::Program::no_operation, 1, true, {1});
  };
  CHECK_NOTHROW(program_of(0));
  for (const double cost :
       {-1.0, std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    CAPTURE(cost);
    CHECK_THROWS_WITH_AS(program_of(cost), doctest::Contains("operation 0 costs"),
                         reprise::InvalidGraph);
  }
}
