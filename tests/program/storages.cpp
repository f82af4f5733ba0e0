// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <optional>
#include <reprise/program/storages.hpp>
#include <vector>

using reprise::Operation;
using reprise::Program;
using reprise::Value;
using reprise::value_id;
using reprise::ValueKind;

namespace {

// Each operation makes one value from the one before it; the first value is given.
Program row_of(std::vector<Value> values) {
  std::vector<Operation> operations;
  for (value_id v = 1; v < values.size(); ++v) {
    operations.push_back({.reads = {v - 1}, .writes = {v}, .repeatable = true});
  }
  return {std::move(values), std::move(operations), Program::no_operation, 1, true};
}

}  // namespace

TEST_CASE("a view of a view lies in what the first one is a view of, one of a constant in itself") {
  const Program program = row_of({{.kind = ValueKind::constant, .bytes = 9},
                                  {.view_of = 0},
                                  {.view_of = 1},
                                  {.bytes = 4},
                                  {.view_of = 3},
                                  {.view_of = 4}});
  CHECK(reprise::storages_of(program) == std::vector<value_id>{0, 1, 1, 3, 3, 3});
}

TEST_CASE("a row of 200,000 views of views is followed once") {
  std::vector<Value> values{{.kind = ValueKind::constant}, {.bytes = 4}};
  for (value_id v = 1; v < 200'000; ++v) values.push_back({.view_of = v});
  const std::vector<value_id> storages = reprise::storages_of(row_of(std::move(values)));
  CHECK(storages.back() == 1);
  CHECK(storages.front() == 0);
}
