// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <reprise/program/repeatability.hpp>
#include <vector>

using reprise::Operation;
using reprise::Program;
using reprise::Repeatability;
using reprise::Value;
using reprise::ValueKind;

namespace {

// 0 makes x, 1 a view of x, 2 reads the view, 3 takes x over, 4 reads what 3 made.
Program with_takeover(bool is_maker_repeatable) {
  std::vector<Value> values{{.bytes = 4}, {.view_of = 0}, {.bytes = 1}, {.bytes = 4}, {.bytes = 1}};
  std::vector<Operation> operations{
      {.writes = {0}, .repeatable = is_maker_repeatable},
      {.reads = {0}, .writes = {1}, .repeatable = true},
      {.reads = {1}, .writes = {2}, .repeatable = true},
      {.reads = {0}, .writes = {3}, .consumes = {0}, .repeatable = true},
      {.reads = {3}, .writes = {4}, .repeatable = true},
  };
  return {std::move(values), std::move(operations), Program::no_operation, 1, true, {4}};
}

std::vector<bool> repeatable_ones(const Program& program) {
  const Repeatability repeatability(program);
  std::vector<bool> flags;
  for (reprise::operation_id op = 0; op < program.operations().size(); ++op) {
    flags.push_back(repeatability.may_run_again(op));
  }
  return flags;
}

}  // namespace

TEST_CASE("what reads something that was taken over runs again only if that can be recomputed") {
  CHECK(repeatable_ones(with_takeover(true)) == std::vector<bool>{true, true, true, true, true});
  CHECK(repeatable_ones(with_takeover(false)) ==
        std::vector<bool>{false, false, true, false, true});
}

TEST_CASE("what is consumed is taken over, and its views hold on to the bytes") {
  const Repeatability repeatability(with_takeover(true));
  CHECK(repeatability.is_taken_over(0));
  CHECK_FALSE(repeatability.is_taken_over(1));
  CHECK_FALSE(repeatability.is_taken_over(2));
  CHECK_FALSE(repeatability.is_taken_over(3));
}

TEST_CASE("a sum and what adds to it are not recomputed") {
  std::vector<Value> values{{.kind = ValueKind::gradient, .bytes = 4},
                            {.kind = ValueKind::gradient, .bytes = 4}};
  std::vector<Operation> operations{
      {.writes = {0}, .repeatable = true},
      {.writes = {1}, .accumulates = {0}, .repeatable = true},
      {.reads = {0, 1}, .repeatable = true},
  };
  const Program program(std::move(values), std::move(operations), Program::no_operation, 1, true);
  CHECK(repeatable_ones(program) == std::vector<bool>{false, false, true});
}

TEST_CASE("an operation may run again that makes a sum alone") {
  std::vector<Value> values{{.kind = ValueKind::gradient, .bytes = 4}};
  std::vector<Operation> operations{{.writes = {0}, .accumulates = {0}, .repeatable = true}};
  const Program program(std::move(values), std::move(operations), Program::no_operation, 1, true);
  CHECK(repeatable_ones(program) == std::vector<bool>{true});
}
