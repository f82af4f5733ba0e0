// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <cstdint>
#include <reprise/core/error.hpp>
#include <reprise/stats/cadence.hpp>

TEST_CASE("a cadence says at which steps gradients are read") {
  for (std::uint64_t step = 0; step < 20; ++step) {
    CHECK(reprise::EveryStep{}(step));
    CHECK(reprise::EverySteps{.steps = 1}(step));
    CHECK(reprise::EverySteps{.steps = 7}(step) == (step == 0 || step == 7 || step == 14));
  }
}

TEST_CASE("a cadence of zero steps is refused") {
  reprise::EveryStep{}.validate();
  reprise::EverySteps{.steps = 3}.validate();
  CHECK_THROWS_AS(reprise::EverySteps{.steps = 0}.validate(), reprise::InvalidArgument);
}
