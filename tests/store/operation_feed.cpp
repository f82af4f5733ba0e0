// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <reprise/core/error.hpp>
#include <reprise/eviction/lru.hpp>
#include <reprise/planner/run_online.hpp>
#include <reprise/program/program.hpp>
#include <reprise/store/memory_account.hpp>
#include <reprise/store/operation_feed.hpp>
#include <utility>
#include <vector>

#include "support/seed.hpp"

namespace {

using Numbers = std::vector<double>;
using reprise::OnlineEvent;
using reprise::value_id;

/// A program of operations that read one or two values and half of which take over one of them.
reprise::Program in_place_program(std::mt19937_64& random, std::size_t length) {
  std::vector<reprise::Value> values{{.kind = reprise::ValueKind::constant, .bytes = 8}};
  std::vector<reprise::Operation> operations;
  std::vector<value_id> readable{0};
  for (std::uint32_t op = 0; op < length; ++op) {
    reprise::Operation o{
        .kind = reprise::OperationKind::forward, .node = op, .cost = 1, .repeatable = true};
    const auto pick = [&] {
      const std::size_t back = random() % std::min<std::size_t>(8, readable.size());
      return readable[readable.size() - 1 - back];
    };
    o.reads = {pick()};
    if (const value_id other = pick(); other != o.reads[0]) o.reads.push_back(other);
    if (o.reads[0] != 0 && random() % 2 == 0) {
      o.consumes = {o.reads[0]};
      std::erase(readable, o.reads[0]);
    }
    o.writes = {static_cast<value_id>(values.size())};
    readable.push_back(o.writes[0]);
    values.push_back({.kind = reprise::ValueKind::output, .node = op, .bytes = 8});
    operations.push_back(std::move(o));
  }
  const auto last = static_cast<value_id>(values.size() - 1);
  return {
      std::move(values), std::move(operations), reprise::Program::no_operation, 1, true, {last}};
}

double run_it(const reprise::Program& program, reprise::operation_id op,
              const std::vector<double>& inputs) {
  double sum = program.operations()[op].node + 1.0;
  for (const double input : inputs) sum = 0.5 * sum + input;
  return sum;
}

std::vector<double> keep_everything(const reprise::Program& program) {
  std::vector<double> kept(program.values().size(), 1.0);
  for (reprise::operation_id op = 0; op < program.operations().size(); ++op) {
    std::vector<double> inputs;
    for (const value_id read : program.operations()[op].reads) inputs.push_back(kept[read]);
    kept[program.operations()[op].writes[0]] = run_it(program, op, inputs);
  }
  return kept;
}

}  // namespace

TEST_CASE("a program with operations in place runs as foretold, event for event") {
  REPRISE_SEEDED(random);
  std::size_t recomputed = 0;
  for (int round = 0; round < 400; ++round) {
    CAPTURE(round);
    const reprise::Program program = in_place_program(random, 6 + random() % 24);
    const std::vector<double> expected = keep_everything(program);
    const reprise::byte_count budget = 8 * (4 + random() % 3);
    std::vector<OnlineEvent> foretold;
    const reprise::OnlineRun run = reprise::run_online(
        program, reprise::Lru{},
        {.budget = budget, .observer = [&](const OnlineEvent& e) { foretold.push_back(e); }});
    if (run.result != reprise::OnlineRun::Result::pass) continue;
    if (run.recomputed_cost > 0) ++recomputed;

    using Feed = reprise::OperationFeed<Numbers, reprise::Lru>;
    std::optional<Feed> feed;
    feed.emplace(program, std::make_shared<reprise::MemoryAccount>(budget), reprise::Lru{},
                 [&](reprise::operation_id op, bool) {
                   const reprise::Operation& o = program.operations()[op];
                   std::vector<double> inputs;
                   for (const value_id read : o.reads) {
                     const double x = read == 0 ? 1.0 : feed->at(read).at(0);
                     REQUIRE(x == expected[read]);
                     inputs.push_back(x);
                   }
                   for (const value_id consumed : o.consumes) {
                     feed->at(o.writes[0]) = std::exchange(feed->at(consumed), {});
                   }
                   feed->at(o.writes[0]).assign(1, run_it(program, op, inputs));
                 });
    std::vector<OnlineEvent> events;
    feed->observe([&](const OnlineEvent& e) { events.push_back(e); });
    for (reprise::operation_id op = 0; op < program.operations().size(); ++op) {
      feed->run(op);
      feed->release_after(op);
    }
    const value_id result = program.results()[0];
    feed->keep(result);
    REQUIRE(feed->kept(result).at(0) == expected[result]);
    feed->finish();
    REQUIRE(events == foretold);
  }
  CHECK(recomputed > 40);
}

TEST_CASE("a cost that a whole number does not hold is refused with its operation") {
  const auto run = [](double cost, bool is_flops) {
    const reprise::Program program({{.node = 0, .bytes = 4}},
                                   {{.node = 0, .writes = {0}, .cost = cost, .repeatable = true}},
                                   reprise::Program::no_operation, 1, is_flops, {0});
    reprise::OperationFeed<reprise::SizesOnly, reprise::Lru> feed(
        program, std::make_shared<reprise::MemoryAccount>(), reprise::Lru{});
    feed.run(0);
  };
  CHECK_NOTHROW(run(9e18, true));
  CHECK_NOTHROW(run(9e9, false));
  CHECK_THROWS_WITH_AS(run(1e19, true), doctest::Contains("operation 0 costs 1000000"),
                       reprise::InvalidArgument);
  CHECK_THROWS_WITH_AS(run(1e10, false), doctest::Contains("nanoseconds, more than 63 bits count"),
                       reprise::InvalidArgument);
}
