// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <reprise/planner/min_cut.hpp>
#include <reprise/program/explain.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/chain_program.hpp"

namespace {

// Forward and backward of a chain as a recorder writes it, which has no loss operation: every
// third value is ten times as large.
reprise::Program recorded_chain(std::uint32_t length) {
  std::vector<reprise::Value> values{{.kind = reprise::ValueKind::constant, .bytes = 1}};
  std::vector<reprise::Operation> operations;
  const auto add = [&](std::vector<reprise::value_id> reads, reprise::byte_count bytes) {
    const auto op = static_cast<reprise::operation_id>(operations.size());
    const auto made = static_cast<reprise::value_id>(values.size());
    values.push_back({.node = op, .bytes = bytes});
    operations.push_back(
        {.node = op, .reads = std::move(reads), .writes = {made}, .cost = 1, .repeatable = true});
    return made;
  };
  for (std::uint32_t i = 0; i < length; ++i) add({i}, i % 3 == 0 ? 100 : 10);
  reprise::value_id gradient = length;
  for (std::uint32_t i = length; i-- > 1;) gradient = add({gradient, i}, 1);
  return {std::move(values), std::move(operations), reprise::Program::no_operation, 1, true,
          {gradient}};
}

std::ptrdiff_t line_count(const std::string& text) { return std::ranges::count(text, '\n'); }

}  // namespace

TEST_CASE("explain says when a value is made, dropped and recomputed") {
  const auto program = reprise_test::chain_program(2);
  const reprise::SavedSet all(program.values().size(), 1);
  const reprise::SavedSet none(program.values().size(), 0);
  const auto kept = reprise::schedule_from_saved(program, all);
  CHECK(reprise::explain(program, kept, 1) ==
        "output 0 of node 0 (8 B, layer 0): made by forward of node 0, dropped after forward of "
        "node 1");
  CHECK(reprise::explain(program, kept, 2) ==
        "saved state of node 0 (4 B, layer 0): made by forward of node 0, dropped after backward "
        "of node 0; kept from forward to backward");
  CHECK(
      reprise::explain(program, reprise::schedule_from_saved(program, none), 2) ==
      "saved state of node 0 (4 B, layer 0): made by forward of node 0, dropped after forward "
      "of node 0, recomputed by forward of node 0, dropped after backward of node 0; recomputed 1 "
      "time");
  CHECK(reprise::explain(
            program,
            reprise::schedule_from_saved(program, none, reprise::RecomputedLifetime::one_backward),
            2)
            .ends_with("; recomputed 2 times"));
}

TEST_CASE("explain names each value of a small plan that is kept or recomputed") {
  const auto program = reprise_test::chain_program(2);
  reprise::SavedSet kept(program.values().size(), 1);
  CHECK(reprise::explain(program, reprise::schedule_from_saved(program, kept)) ==
        "Keeps 2 values (8 B) from forward to backward and recomputes none.\n"
        "Kept:\n"
        "  4 B: saved state of node 0\n"
        "  4 B: saved state of node 1\n");
  kept[2] = 0;
  const std::vector<std::string> names{"relu", "tanh", "loss", "tanh'", "relu'"};
  CHECK(reprise::explain(program, reprise::schedule_from_saved(program, kept),
                         {.operation_names = names}) ==
        "Keeps 1 value (4 B) from forward to backward and recomputes 2 values (12 B): 1 rerun, "
        "16.67 % "
        "of all compute.\n"
        "Kept:\n"
        "  4 B: saved state of node 1, tanh\n"
        "Recomputed:\n"
        "  8 B: output 0 of node 0, relu\n"
        "  4 B: saved state of node 0, relu\n");
}

TEST_CASE("explain tells of the values of a large plan by kind and size, the largest first") {
  const auto program = reprise_test::chain_program(10'000);
  reprise::SavedSet kept(program.values().size(), 0);
  for (reprise::value_id v = 0; v < program.values().size(); v += 200) kept[v] = 1;
  const std::string text = reprise::explain(program, reprise::schedule_from_saved(program, kept));
  CHECK(line_count(text) < 8);
  CHECK(text.find("Kept:\n  400 B: 100 saved states, 4 B each, in nodes 99 to 9999\n") !=
        std::string::npos);
}

TEST_CASE("explain needs neither layers nor a loss") {
  const auto program = recorded_chain(3'000);
  const auto plan_with = [&](reprise::byte_count budget) {
    return reprise::MinCut{}({.program = program, .budget = budget}).schedule;
  };
  CHECK(reprise::explain(program, plan_with(reprise::unlimited_bytes)) ==
        "Keeps 2998 values (117.17 KiB) over operation 3000, where most would be live, and "
        "recomputes "
        "none.\n"
        "Kept:\n"
        "  97.66 KiB: 1000 outputs, 100 B each, in operations 0 to 2997\n"
        "  19.51 KiB: 1998 outputs, 10 B each, in operations 1 to 2996\n");
  const std::string text = reprise::explain(program, plan_with(60'000));
  const std::size_t recomputed = text.find("Recomputed:\n");
  REQUIRE(recomputed != std::string::npos);
  // The large ones cost no more to recompute.
  CHECK(text.find(" outputs, 100 B each, in operations ", recomputed) != std::string::npos);
  CHECK(text.find(" outputs, 10 B each, in operations ", recomputed) == std::string::npos);
  CHECK(reprise::explain(program, plan_with(60'000), {.lines = 0}) ==
        text.substr(0, text.find('\n') + 1));
}

TEST_CASE("explain puts together what its lines have no room for") {
  std::vector<reprise::Value> values{{.kind = reprise::ValueKind::constant, .bytes = 1}};
  reprise::Operation all{.node = 20, .reads = {}, .writes = {21}, .cost = 0};
  std::vector<reprise::Operation> operations;
  for (std::uint32_t i = 0; i < 20; ++i) {
    values.push_back({.node = i, .bytes = 1 + i});
    operations.push_back({.node = i, .reads = {0}, .writes = {i + 1}});
    all.reads.push_back(i + 1);
  }
  values.push_back({.node = 20, .bytes = 1'000});
  operations.push_back({.node = 20, .reads = {0}, .writes = {21}, .transient_bytes = 1'000});
  values.push_back({.node = 21, .bytes = 1});
  all.writes = {22};
  operations.push_back(all);
  const reprise::Program program(std::move(values), std::move(operations),
                                 reprise::Program::no_operation, 1, true, {21, 22});
  const auto plan = reprise::MinCut{}({.program = program});
  CHECK(
      reprise::explain(program, plan.schedule, {.lines = 3}) ==
      "Keeps 20 values (210 B) over operation 20, where most would be live, and recomputes none.\n"
      "Kept:\n"
      "  20 B: output 0 of operation 19\n"
      "  19 B: output 0 of operation 18\n"
      "  171 B: 18 others of 18 kinds\n");
}

TEST_CASE("explain refuses names that are too few, and has a word for a program without any") {
  const auto program = reprise_test::chain_program(1);
  const std::vector<std::string> names{"relu"};
  CHECK_THROWS_WITH_AS(static_cast<void>(reprise::explain(program, {}, {.operation_names = names})),
                       "1 names for 3 operations", reprise::InvalidArgument);
  const reprise::Program empty({}, {}, reprise::Program::no_operation, 0, true);
  CHECK(reprise::explain(empty, {}) == "There is nothing to run.\n");
}

TEST_CASE("what is not in the program, or has no meaning, is not explained") {
  const auto program = reprise_test::chain_program(4);
  const auto schedule = schedule_from_saved(program, reprise::SavedSet(program.values().size(), 0));
  CHECK_THROWS_WITH_AS(static_cast<void>(explain(program, schedule, 1'000'000)),
                       doctest::Contains("value 1000000 of a program of 14 cannot be explained"),
                       reprise::InvalidArgument);
  using reprise::Action;
  for (const Action& action :
       {Action::drop(1'000'000), Action::run(1'000'000), Action::drop(1), Action::run(3)}) {
    const reprise::Schedule wrong{{action}};
    CHECK_THROWS_AS(static_cast<void>(explain(program, wrong)), reprise::InvalidSchedule);
    CHECK_THROWS_AS(static_cast<void>(explain(program, wrong, 1)), reprise::InvalidSchedule);
  }
  const auto other = reprise_test::chain_program(3);
  CHECK_THROWS_AS(static_cast<void>(explain(other, schedule)), reprise::InvalidSchedule);
}
