// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <memory>
#include <reprise/core/error.hpp>
#include <reprise/eviction/lru.hpp>
#include <reprise/program/program.hpp>
#include <reprise/store/memory_account.hpp>
#include <reprise/store/operation_feed.hpp>

TEST_CASE("a cost that a whole number does not hold is refused with its operation") {
  const auto run = [](double cost, bool is_flops) {
    const reprise::Program program({{.node = 0, .bytes = 4}},
                                   {{.node = 0, .writes = {0}, .cost = cost, .repeatable = true}},
                                   reprise::Program::no_operation, 1, is_flops, {0});
    reprise::OperationFeed<reprise::NoPayload, reprise::Lru> feed(
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
