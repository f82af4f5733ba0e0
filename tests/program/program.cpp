// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <reprise/core/error.hpp>
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
    return reprise::Program(values, operations, program.loss(), 2, true).fingerprint();
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

namespace {

using reprise::InvalidGraph;
using reprise::Operation;
using reprise::OperationKind;
using reprise::Program;
using reprise::Value;
using reprise::ValueKind;

/// What a program is made from, to be changed before it is made.
struct Parts {
  std::vector<Value> values;
  std::vector<Operation> operations;
  reprise::operation_id loss = Program::no_operation;
  std::size_t layers = 1;
  std::vector<reprise::value_id> results{};

  [[nodiscard]] Program program() const {
    return {values, operations, loss, layers, true, results};
  }
};

/// Three operations in a row on a constant, as a recorder writes them.
Parts recorded() {
  return {.values = {{.kind = ValueKind::constant, .bytes = 4},
                     {.node = 0, .bytes = 8},
                     {.node = 1, .bytes = 16},
                     {.node = 2, .bytes = 32}},
          .operations = {{.node = 0, .reads = {0}, .writes = {1}, .cost = 1, .repeatable = true},
                         {.node = 1, .reads = {1}, .writes = {2}, .cost = 1, .repeatable = true},
                         {.node = 2, .reads = {2}, .writes = {3}, .cost = 1, .repeatable = true}},
          .results = {3}};
}

/// The parts of `chain_program(2)`: operations 0 and 1, the loss, 3 and 4; gradients 5, 6 and 7.
Parts chained() {
  const Program program = reprise_test::chain_program(2);
  return {.values = {program.values().begin(), program.values().end()},
          .operations = {program.operations().begin(), program.operations().end()},
          .loss = program.loss(),
          .layers = program.layer_count()};
}

template <class F>
void check_refused(Parts parts, F change, const char* message) {
  CAPTURE(message);
  CHECK_NOTHROW(static_cast<void>(parts.program()));
  change(parts);
  CHECK_THROWS_WITH_AS(static_cast<void>(parts.program()), doctest::Contains(message),
                       InvalidGraph);
}

template <class F>
void check_taken(Parts parts, F change) {
  change(parts);
  CHECK_NOTHROW(static_cast<void>(parts.program()));
}

constexpr reprise::value_id far = 1'000'000;

}  // namespace

TEST_CASE("whatever a program names exists") {
  check_refused(
      recorded(), [](Parts& p) { p.operations[1].reads = {far}; },
      "operation 1 names value 1000000 of 4");
  check_refused(
      recorded(), [](Parts& p) { p.operations[1].writes = {4}; }, "operation 1 names value 4 of 4");
  check_refused(
      recorded(), [](Parts& p) { p.operations[1].consumes = {far}; },
      "operation 1 names value 1000000 of 4");
  check_refused(
      recorded(), [](Parts& p) { p.operations[1].accumulates = {far}; },
      "operation 1 names value 1000000 of 4");
  check_refused(
      recorded(), [](Parts& p) { p.operations[1].releases = {far}; },
      "operation 1 names value 1000000 of 4");
  check_refused(
      recorded(), [](Parts& p) { p.results = {far}; },
      "the list of results names value 1000000 of 4");
  check_refused(
      recorded(), [](Parts& p) { p.values[2].view_of = far; },
      "value 2 is a view of value 1000000 of 4");
  check_refused(
      recorded(), [](Parts& p) { p.values[2].kind = static_cast<ValueKind>(77); },
      "value 2 is of kind 77");
  check_refused(
      recorded(), [](Parts& p) { p.operations[2].kind = static_cast<OperationKind>(7); },
      "operation 2 is of kind 7");
}

TEST_CASE("a value is made once, by an operation, or is given") {
  check_refused(
      recorded(),
      [](Parts& p) {
        p.operations[1].writes = {2, 2};
      },
      "operation 1 makes a second time: output 0 of operation 1");
  check_refused(
      recorded(),
      [](Parts& p) {
        p.operations[2].writes = {3, 1};
      },
      "operation 2 makes a second time: output 0 of operation 0");
  check_refused(
      recorded(),
      [](Parts& p) {
        p.operations[1].writes = {2, 0};
      },
      "operation 1 makes what is there from the start: constant 0");
  check_refused(
      recorded(), [](Parts& p) { p.values.push_back({.node = 9}); },
      "no operation makes value 4: output 0 of operation 9");
  check_refused(
      recorded(), [](Parts& p) { p.operations[0].reads = {2}; },
      "operation 0 reads before it is made: output 0 of operation 1");
  check_refused(
      recorded(), [](Parts& p) { p.operations[1].reads = {2}; },
      "operation 1 reads before it is made: output 0 of operation 1");
  check_refused(
      recorded(),
      [](Parts& p) {
        p.values.push_back({.node = 9});
        p.results = {4};
      },
      "the list of results reads before it is made: output 0 of operation 9");
}

TEST_CASE("a view's maker reads what it is a view of, so that views have no cycles") {
  check_taken(recorded(), [](Parts& p) { p.values[2].view_of = 1; });
  check_taken(recorded(), [](Parts& p) { p.values[1].view_of = 0; });
  check_refused(
      recorded(), [](Parts& p) { p.values[2].view_of = 2; },
      "operation 1 makes a view of what it does not read: output 0 of operation 1");
  check_refused(
      recorded(), [](Parts& p) { p.values[2].view_of = 3; },
      "operation 1 makes a view of what it does not read: output 0 of operation 2");
  check_refused(
      recorded(), [](Parts& p) { p.values[3].view_of = 1; },
      "operation 2 makes a view of what it does not read: output 0 of operation 0");
  check_refused(
      recorded(),
      [](Parts& p) {
        p.values[1].view_of = 2;
        p.values[2].view_of = 1;
      },
      "operation 0 makes a view of what it does not read");
  check_refused(
      recorded(), [](Parts& p) { p.values[0].view_of = 1; },
      "value 0, constant 0, is there from the start and cannot be a view");
  check_refused(
      recorded(),
      [](Parts& p) {
        p.values[2].view_of = 1;
        p.operations[1].consumes = {1};
      },
      "operation 1 makes a view of what it consumes");
}

TEST_CASE("what is consumed is read, once, and nobody needs it afterwards") {
  check_taken(recorded(), [](Parts& p) { p.operations[1].consumes = {1}; });
  check_refused(
      recorded(),
      [](Parts& p) {
        p.operations[1].consumes = {1, 1};
      },
      "operation 1 consumes what operation 1 consumed: output 0 of operation 0");
  check_refused(
      recorded(), [](Parts& p) { p.operations[2].consumes = {1}; },
      "operation 2 consumes what it does not read: output 0 of operation 0");
  check_refused(
      recorded(), [](Parts& p) { p.operations[1].consumes = {2}; },
      "operation 1 consumes before it is made");
  check_refused(
      recorded(), [](Parts& p) { p.operations[0].consumes = {0}; },
      "operation 0 consumes what is there from the start: constant 0");
  check_refused(
      recorded(),
      [](Parts& p) {
        p.operations[1].consumes = {1};
        p.operations[2].reads = {1, 2};
      },
      "operation 2 reads what operation 1 consumed: output 0 of operation 0");
  check_refused(
      recorded(),
      [](Parts& p) {
        p.operations[1].consumes = {1};
        p.results = {1};
      },
      "the list of results reads what operation 1 consumed");
  check_refused(
      recorded(),
      [](Parts& p) {
        p.operations[1].consumes = {1};
        p.values[1].stays = true;
      },
      "operation 1 consumes what stays");
  check_refused(
      chained(), [](Parts& p) { p.operations[1].consumes = {2}; },
      "forward of node 1 consumes what it does not read: saved state of node 0");
  check_refused(
      chained(),
      [](Parts& p) {
        p.operations[1].consumes = {1};
        p.operations[4].reads.push_back(1);
      },
      "backward of node 0 reads what forward of node 1 consumed: output 0 of node 0");
}

TEST_CASE("only gradients are added to, while they are there") {
  check_taken(chained(), [](Parts& p) { p.operations[3].accumulates = {6, 6, 6}; });
  check_taken(chained(), [](Parts& p) { p.operations[4].accumulates = {6}; });
  check_refused(
      chained(), [](Parts& p) { p.operations[3].accumulates = {1}; },
      "backward of node 1 adds to what is no gradient: output 0 of node 0");
  check_refused(
      chained(), [](Parts& p) { p.operations[3].accumulates = {7}; },
      "backward of node 1 adds to before it is made");
  check_refused(
      chained(),
      [](Parts& p) {
        p.operations[3].consumes = {5};
        p.operations[4].accumulates = {5};
      },
      "backward of node 0 adds to what backward of node 1 consumed");
}

TEST_CASE("what is released is there, once, and nobody needs it afterwards") {
  check_taken(recorded(), [](Parts& p) { p.operations[1].releases = {0, 1}; });
  check_refused(
      recorded(),
      [](Parts& p) {
        p.operations[1].releases = {1, 1};
      },
      "operation 1 releases a second time: output 0 of operation 0");
  check_refused(
      recorded(), [](Parts& p) { p.operations[0].releases = {2}; },
      "operation 0 releases before it is made");
  check_refused(
      recorded(), [](Parts& p) { p.operations[1].releases = {2}; },
      "operation 2 reads what operation 1 released: output 0 of operation 1");
  // A result and what stays are not let go of, whatever is said.
  check_taken(recorded(), [](Parts& p) { p.operations[2].releases = {3, 3}; });
  check_taken(recorded(), [](Parts& p) {
    p.values[1].stays = true;
    p.operations[0].releases = {1};
  });
}

TEST_CASE("a program has one loss, where it says, and backward after it") {
  check_refused(
      chained(), [](Parts& p) { p.loss = 1; }, "operation 1 is not the program's loss");
  check_refused(
      chained(), [](Parts& p) { p.loss = 5; }, "operation 5 is not the program's loss");
  check_refused(
      chained(), [](Parts& p) { p.operations[3].kind = OperationKind::loss; },
      "operation 3 is a loss, and so is operation 2");
  check_refused(
      chained(),
      [](Parts& p) {
        p.loss = Program::no_operation;
        p.operations[3].kind = OperationKind::loss;
      },
      "operation 3 is a loss, and so is operation 2");
  check_refused(
      chained(), [](Parts& p) { p.operations[1].kind = OperationKind::backward; },
      "backward of node 1, operation 1, comes before the loss, operation 2");
  check_taken(chained(), [](Parts& p) { p.operations[3].kind = OperationKind::forward; });
}

TEST_CASE("each operation is of a layer, and few layers are without") {
  check_refused(
      recorded(), [](Parts& p) { p.operations[1].layer = 1; }, "operation 1 is of layer 1 of 1");
  check_refused(
      recorded(), [](Parts& p) { p.operations[1].layer = 0xFFFFFFFFU; },
      "operation 1 is of layer 4294967295 of 1");
  check_refused(
      recorded(), [](Parts& p) { p.layers = 0; }, "operation 0 is of layer 0 of 0");
  check_refused(
      recorded(), [](Parts& p) { p.layers = 3 + 65536 + 1; }, "65540 layers of 3 operations");
  check_refused(
      recorded(), [](Parts& p) { p.layers = std::numeric_limits<std::size_t>::max(); },
      "18446744073709551615 layers of 3 operations");
  check_taken(recorded(), [](Parts& p) { p.layers = 3 + 65536; });
}

TEST_CASE("the sum of all costs stays far from infinity") {
  check_refused(
      recorded(), [](Parts& p) { p.operations[2].cost = 1.7e308; },
      "operation 2 costs 1.7e+308: with it the sum of all passes 1e+150");
  check_refused(
      recorded(),
      [](Parts& p) {
        for (Operation& op : p.operations) op.cost = 0.5e150;
      },
      "operation 2 costs 5e+149: with it the sum of all passes 1e+150");
  check_taken(recorded(), [](Parts& p) { p.operations[2].cost = 0.9e150; });
  check_taken(recorded(), [](Parts& p) { p.operations[2].cost = 5e-324; });
}

TEST_CASE("the sum of all bytes stays below 2^63") {
  constexpr reprise::byte_count most = std::numeric_limits<std::int64_t>::max();
  // Constant 4, values 8, 16 and 32, and a copy of the last one while it is recomputed.
  check_taken(recorded(), [](Parts& p) { p.values[0].bytes = most - 8 - 16 - 32 - 32; });
  check_refused(
      recorded(), [](Parts& p) { p.values[0].bytes = most - 8 - 16 - 32 - 31; },
      "more than 9223372036854775807 bytes");
  check_refused(
      recorded(), [](Parts& p) { p.values[0].bytes = ~reprise::byte_count{0}; },
      "more than 9223372036854775807 bytes");
  check_refused(
      recorded(),
      [](Parts& p) {
        p.values[1].bytes = reprise::byte_count{1} << 63U;
        p.values[2].bytes = reprise::byte_count{1} << 63U;
      },
      "operation 0 makes more than");
  check_refused(
      recorded(), [](Parts& p) { p.operations[1].transient_bytes = ~reprise::byte_count{0}; },
      "operation 1 makes more than");
  // A view keeps its source's storage when the source is made anew.
  check_taken(recorded(), [](Parts& p) { p.values[1].bytes = most / 3; });
  check_refused(
      recorded(),
      [](Parts& p) {
        p.values[1].bytes = most / 3;
        p.values[2].view_of = 1;
      },
      "more than 9223372036854775807 bytes");
}

TEST_CASE("a name is asked only of what exists") {
  const Program program = reprise_test::chain_program(2);
  CHECK(program.describe(1) == "output 0 of node 0");
  CHECK_THROWS_WITH_AS(static_cast<void>(program.describe(8)), "value 8 of a program of 8",
                       reprise::InvalidArgument);
  CHECK_THROWS_WITH_AS(static_cast<void>(program.describe_operation(5)),
                       "operation 5 of a program of 5", reprise::InvalidArgument);
}

TEST_CASE("a sum is what another operation than its maker adds to") {
  Parts parts = chained();
  CHECK_FALSE(parts.program().is_sum(6));
  parts.operations[3].accumulates = {6};
  CHECK_FALSE(parts.program().is_sum(6));
  parts.operations[4].accumulates = {6};
  CHECK(parts.program().is_sum(6));
}
