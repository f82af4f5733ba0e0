// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <reprise/program/program.hpp>

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
