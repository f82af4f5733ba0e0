// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstdint>
#include <reprise/program/last_uses.hpp>
#include <vector>

using reprise::Program;
using reprise::ValueKind;

TEST_CASE("a value is used last where it is made, read or added to for the last time") {
  std::vector<reprise::Value> values(5);
  values[0].kind = ValueKind::input;
  for (std::uint32_t v = 1; v < 5; ++v) values[v] = {.kind = ValueKind::gradient, .bytes = 4};
  values[4] = {.kind = ValueKind::input};
  const Program program(values,
                        {{.reads = {0}, .writes = {1, 2}},
                         {.reads = {1}, .writes = {3}},
                         {.reads = {3}, .accumulates = {1}}},
                        Program::no_operation, 1, true);
  CHECK(reprise::last_uses(program) ==
        std::vector<reprise::operation_id>{0, 2, 0, 2, Program::no_operation});
}
