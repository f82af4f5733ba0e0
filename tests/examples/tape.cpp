// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// The engine with a tape: plain calls, checkpoints and operations under a budget give the same
// bits.

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <reprise/core/error.hpp>
#include <vector>

#include "tape/engine.hpp"
#include "tape/net.hpp"

namespace {

using tape::Mode;
using tape::Result;
using tape::Training;

Result train(Training training) {
  training.steps = 3;
  return tape::Net(training).train();
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

void check_same(const Result& result, const Result& plain) {
  CHECK(same_bits(result.losses, plain.losses));
  REQUIRE(result.gradients.size() == plain.gradients.size());
  for (std::size_t step = 0; step < plain.gradients.size(); ++step) {
    CHECK(same_bits(result.gradients[step], plain.gradients[step]));
  }
}

}  // namespace

TEST_CASE("verification of a checkpoint whose tensors have no checksum is refused") {
  tape::Counters counters;
  tape::Tape tape(counters, {});
  const tape::Variable x = tape.leaf(1, 1, std::make_shared<tape::Floats>(counters, 1));
  CHECK_THROWS_AS(reprise::checkpoint({.verify_replay = true}, tape::relu, x),
                  reprise::InvalidArgument);
}

TEST_CASE("checkpoints give the bits of plain calls in less memory") {
  for (const std::size_t groups : {1U, 2U, 5U}) {
    for (const std::size_t blocks : {1U, 3U}) {
      CAPTURE(groups);
      CAPTURE(blocks);
      const Result plain = train({.groups = groups, .blocks = blocks});
      const Result checkpoints =
          train({.mode = Mode::checkpoints, .groups = groups, .blocks = blocks});
      check_same(checkpoints, plain);
      if (groups * blocks > 1) CHECK(checkpoints.peak_bytes < plain.peak_bytes);
      CHECK(checkpoints.computations > plain.computations);
    }
  }
}

TEST_CASE("operations give the bits of plain calls under every budget they fit in") {
  const Result plain = train({});
  std::size_t fitting = 0;
  bool has_failed = false;
  for (std::uint64_t budget = plain.peak_bytes; !has_failed; budget = budget * 3 / 4) {
    CAPTURE(budget);
    try {
      const Result operations = train({.mode = Mode::operations, .budget_bytes = budget});
      check_same(operations, plain);
      CHECK(operations.peak_bytes <= budget);
      ++fitting;
    } catch (const reprise::BudgetExceeded& error) {
      CHECK(error.budget_bytes() == budget);
      CHECK(error.needed_bytes() > budget);
      has_failed = true;
    }
  }
  CHECK(fitting > 3);
}

TEST_CASE("the net learns") {
  const Result result = tape::Net({.steps = 30}).train();
  CHECK(result.losses.back() < result.losses.front() / 2);
}
