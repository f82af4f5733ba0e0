// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <reprise/planner/binomial.hpp>
#include <reprise/planner/chain/binomial_steps.hpp>
#include <vector>

#include "support/chain_planner_conformance.hpp"

namespace {

using reprise::Binomial;
using reprise::BinomialSteps;

constexpr std::uint64_t longest = 1000;
constexpr std::uint64_t most_states = 50;

// The closed form of Griewank and Walther, with binomial coefficients from Pascal's triangle.
class ClosedForm {
 public:
  ClosedForm() : choose_(longest + most_states + 2) {
    for (std::size_t n = 0; n < choose_.size(); ++n) {
      choose_[n].assign(std::min<std::size_t>(n, most_states + 1) + 1, 1);
      for (std::size_t k = 1; k < choose_[n].size() && k < n; ++k) {
        choose_[n][k] = std::min(choose_[n - 1][k - 1] + choose_[n - 1][k], limit);
      }
    }
  }

  [[nodiscard]] std::uint64_t operator()(std::uint64_t length, std::uint64_t states) const {
    std::uint64_t r = 0;
    while (choose_[states + r][states] < length) ++r;
    return r == 0 ? 0 : r * length - choose_[states + r][states + 1];
  }

 private:
  static constexpr std::uint64_t limit = std::uint64_t{1} << 40U;
  std::vector<std::vector<std::uint64_t>> choose_;
};

}  // namespace

TEST_CASE("Binomial conforms") { reprise_test::check_chain_planner(Binomial{}); }

TEST_CASE("the closed form is the least number of forward steps") {
  const ClosedForm closed;
  // The best of all places for the next state, for short chains.
  constexpr std::uint64_t most_length = 120;
  std::vector<std::vector<std::uint64_t>> best(most_length + 1, std::vector<std::uint64_t>(13, 0));
  for (std::uint64_t length = 2; length <= most_length; ++length) {
    best[length][1] = length * (length - 1) / 2;
    for (std::uint64_t states = 2; states < best[length].size(); ++states) {
      best[length][states] = std::numeric_limits<std::uint64_t>::max();
      for (std::uint64_t next = 1; next < length; ++next) {
        best[length][states] = std::min(
            best[length][states], next + best[next][states] + best[length - next][states - 1]);
      }
    }
    for (std::uint64_t states = 1; states < best[length].size(); ++states) {
      REQUIRE(best[length][states] == closed(length, states));
    }
  }
}

TEST_CASE("forward steps are those of the closed form for all lengths to 1000 and states to 50") {
  const ClosedForm closed;
  std::vector<std::vector<std::uint64_t>> steps(longest + 1,
                                                std::vector<std::uint64_t>(most_states + 1, 0));
  for (std::uint64_t length = 1; length <= longest; ++length) {
    for (std::uint64_t states = 1; states <= most_states; ++states) {
      const BinomialSteps binomial(length, states);
      const std::uint64_t next = binomial.next();
      if (length > 1) {
        REQUIRE(next > 0);
        REQUIRE(next < length);
        const std::uint64_t after = length - next;
        REQUIRE((states > 1 || after == 1));
        steps[length][states] =
            next + steps[next][states] + steps[after][std::max<std::uint64_t>(states, 2) - 1];
      }
      REQUIRE(steps[length][states] == closed(length, states));
      REQUIRE(binomial.count() == closed(length, states));
    }
  }
}

TEST_CASE("the schedule recomputes as many layers as the closed form says") {
  const ClosedForm closed;
  const auto check = [&](std::uint32_t length, std::uint64_t states) {
    CAPTURE(length);
    CAPTURE(states);
    const auto program = reprise_test::chain_program(length);
    const auto plan = Binomial{.checkpoints = states}({.program = program});
    CHECK(plan.recomputed_cost == static_cast<double>(closed(length, states)));
  };
  for (std::uint32_t length = 1; length <= 50; ++length) {
    for (std::uint64_t states = 1; states <= length; ++states) check(length, states);
  }
  for (const std::uint32_t length : {100U, 333U, 1000U}) {
    for (const std::uint64_t states : {1U, 2U, 3U, 10U, 50U}) check(length, states);
  }
}

TEST_CASE("at most so many inputs of layers are stored at once") {
  for (std::uint32_t length = 1; length <= 40; ++length) {
    CAPTURE(length);
    const auto program = reprise_test::chain_program(length);
    for (std::size_t states = 1; states <= length; ++states) {
      CAPTURE(states);
      const auto plan = Binomial{.checkpoints = states}({.program = program});
      // Besides the graph's input, which is the engine's: an output and a saved state of the layer
      // that runs, its gradient and the one that it makes.
      CHECK(plan.peak_bytes <= (states - 1) * 8 + 28);
    }
  }
}

TEST_CASE("a byte budget buys as many checkpoints as fit") {
  const auto program = reprise_test::chain_program(200);
  for (std::size_t states = 2; states <= 40; ++states) {
    CAPTURE(states);
    const auto fixed = Binomial{.checkpoints = states}({.program = program});
    const auto bought = Binomial{}({.program = program, .budget = fixed.peak_bytes});
    CHECK(bought.recomputed_cost == fixed.recomputed_cost);
    const auto fewer = Binomial{.checkpoints = states - 1}({.program = program});
    CHECK(Binomial{}({.program = program, .budget = fixed.peak_bytes - 1}).recomputed_cost ==
          fewer.recomputed_cost);
  }
}

TEST_CASE("Binomial refuses no checkpoint, and a budget with one that works") {
  const auto program = reprise_test::chain_program(20);
  CHECK_THROWS_AS(static_cast<void>(Binomial{.checkpoints = 0}({.program = program})),
                  reprise::InvalidArgument);
  const Binomial planner{.checkpoints = 5};
  const auto needed = planner({.program = program}).peak_bytes;
  try {
    static_cast<void>(planner({.program = program, .budget = needed - 1}));
    FAIL("it needs more");
  } catch (const reprise::BudgetInfeasible& refused) {
    CHECK(refused.smallest_budget() == needed);
  }
}
