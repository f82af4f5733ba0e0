// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <reprise/core/error.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/store/operation_runner.hpp>
#include <reprise/store/store_records.hpp>
#include <stdexcept>
#include <string>

#include "support/counting_tensor.hpp"
#include "support/store_parts.hpp"

namespace {

using Tensor = reprise_test::CountingTensor;
using Parts = reprise_test::StoreParts<Tensor>;

/// Makes `size` elements; the first counts the calls.
Parts::Function filling(reprise_test::CountingMemory& memory, std::size_t size = 2) {
  return [&memory, size, calls = 0.0F](auto, auto outputs, auto&) mutable {
    outputs[0] = Tensor(memory, size);
    outputs[0][0] = ++calls;
  };
}

}  // namespace

TEST_CASE("a run fills what is not there and tells of it") {
  reprise_test::CountingMemory memory;
  Parts parts;
  bool is_recompute = true;
  const auto op = parts.add({}, [&, fill = filling(memory)](auto in, auto out, auto& pass) {
    fill(in, out, pass);
    is_recompute = pass.is_recompute();
  });
  const auto value = parts.records.operation(op).outputs[0];
  parts.runner.run(op, 0);
  CHECK_FALSE(is_recompute);
  CHECK(parts.records.value(value).payload[0] == 1);
  CHECK(parts.pool.held_bytes() == 8);
  CHECK(parts.records.clock() == 2);
  parts.runner.run(op, 0);
  CHECK(is_recompute);
  CHECK(parts.records.value(value).payload[0] == 1);
  CHECK(parts.evict(value));
  parts.runner.run(op, 0);
  CHECK(parts.records.value(value).payload[0] == 3);
  CHECK(parts.runner.recomputed_cost() == 2);
  CHECK(parts.take_told() == "run 0, rerun 0, drop 0, rerun 0");
  CHECK(memory.live == 8);
}

TEST_CASE("what an operation takes over is gone, also if its function throws") {
  reprise_test::CountingMemory memory;
  Parts parts;
  const auto a = parts.make({}, filling(memory));
  const auto op =
      parts.add({a}, [](auto, auto, auto&) { throw std::runtime_error("half way"); }, {0});
  CHECK_THROWS_AS(parts.runner.run(op, 0), std::runtime_error);
  CHECK_FALSE(parts.is_present(a));
  CHECK(memory.live == 0);
  CHECK(parts.pool.held_bytes() == 0);
  CHECK_NOTHROW(parts.runner.check_not_running());
}

TEST_CASE("other bytes than were said, or than the first time, are refused") {
  reprise_test::CountingMemory memory;
  Parts parts;
  const auto large = parts.add({}, filling(memory, 3));
  CHECK_THROWS_WITH_AS(parts.runner.run(large, 0),
                       "output 0 of operation 0 takes 12 bytes, and was said to take 8",
                       reprise::ProfileMismatch);
  std::size_t size = 2;
  const auto a = parts.make({}, [&](auto, auto out, auto&) { out[0] = Tensor(memory, size--); });
  CHECK(parts.evict(a));
  CHECK_THROWS_WITH_AS(parts.runner.run(parts.records.value(a).op, 0),
                       "output 0 of operation 1, value 1, took 8 bytes and now takes 4 when it "
                       "runs again",
                       reprise::ReplayMismatch);
}

TEST_CASE("inside a first run more may be made, if there is room") {
  reprise_test::CountingMemory memory;
  Parts parts(32);
  bool fits = false;
  bool is_refused = true;
  const auto op = parts.add({}, [&](auto, auto out, auto&) {
    CHECK_THROWS_AS(parts.runner.check_not_running(), reprise::InvalidState);
    fits = parts.runner.grow_output(0, 16) && parts.runner.grow_transient(16);
    is_refused = !parts.runner.grow_transient(17);
    out[0] = Tensor(memory, 4);
  });
  parts.runner.run(op, 0);
  CHECK(fits);
  CHECK(is_refused);
  CHECK(parts.pool.held_bytes() == 16);
  CHECK(parts.pool.account().peak_bytes() == 32);
  CHECK_THROWS_AS(static_cast<void>(parts.runner.grow_transient(1)), reprise::InvalidState);
}
