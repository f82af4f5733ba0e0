// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// optimise: always
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <reprise/core/unknown_name.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/planner/balanced.hpp>
#include <reprise/planner/binomial.hpp>
#include <reprise/planner/every_nth.hpp>
#include <reprise/planner/gradient_threshold.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/online.hpp>
#include <reprise/planner/optimal_chain.hpp>
#include <reprise/planner/planner_by_name.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/square_root.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/threshold/median_threshold.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "support/chain_program.hpp"

namespace {

using reprise::planner_by_name;
using reprise::PlannerOptions;

// What a planner makes of requests that tell planners apart.
struct Answers {
  std::vector<reprise::Schedule> schedules;
  std::vector<std::string> refusals;
  bool ignores_statistics = false;

  bool operator==(const Answers&) const = default;
};

template <class P>
Answers answers_of(P planner) {
  Answers answers;
  const reprise::Program program = reprise_test::chain_program(10);
  const std::vector<double> gradients{1, 9, 2, 8, 3, 7, 4, 6, 5, 5};
  const auto all = reprise::StoreAll{}({.program = program}).peak_bytes;
  for (const reprise::byte_count budget :
       {reprise::unlimited_bytes, all * 3 / 4, all / 2, all / 8}) {
    try {
      answers.schedules.push_back(
          planner({.program = program, .budget = budget, .gradients = gradients}).schedule);
    } catch (const reprise::Error& refused) {
      answers.refusals.emplace_back(refused.what());
    }
  }
  answers.ignores_statistics = ignores_statistics(planner);
  return answers;
}

std::string refusal_of(std::string_view name, const PlannerOptions& options) {
  try {
    static_cast<void>(planner_by_name(name, options));
  } catch (const reprise::InvalidArgument& refused) {
    return refused.what();
  }
  return "";
}

// One valid value of each option.
PlannerOptions every_option() {
  return {.n = 3,
          .alpha = 0.5,
          .checkpoints = 2,
          .slots = 50,
          .most_table_bytes = 1U << 20U,
          .looks_further = false,
          .seconds = 0.01,
          .first_seconds = 0.01,
          .most_seconds = 0.1,
          .share = 0.5,
          .tries = 30,
          .threads = 1,
          .seed = 5};
}

}  // namespace

TEST_CASE("a planner that is made by its name plans as its type does") {
  CHECK(answers_of(planner_by_name("store-all")) == answers_of(reprise::StoreAll{}));
  CHECK(answers_of(planner_by_name("recompute-all")) == answers_of(reprise::RecomputeAll{}));
  CHECK(answers_of(planner_by_name("every-n")) == answers_of(reprise::EveryNth{}));
  CHECK(answers_of(planner_by_name("sqrt")) == answers_of(reprise::SquareRoot{}));
  CHECK(answers_of(planner_by_name("gradient")) ==
        answers_of(reprise::GradientThreshold{reprise::MedianThreshold{}}));
  CHECK(answers_of(planner_by_name("binomial")) == answers_of(reprise::Binomial{}));
  CHECK(answers_of(planner_by_name("optimal")) == answers_of(reprise::OptimalChain{}));
  CHECK(answers_of(planner_by_name("min-cut")) == answers_of(reprise::MinCut{}));
  CHECK(answers_of(planner_by_name("search", {.tries = 40})) ==
        answers_of(reprise::LocalSearch{{.tries = 40}}));
  CHECK(answers_of(planner_by_name("balanced", {.tries = 40})) ==
        answers_of(reprise::Balanced{{.tries = 40}}));
  CHECK(answers_of(planner_by_name("dtr-eq")) ==
        answers_of(reprise::Online{reprise::DtrEqClass{}, "dtr-eq"}));
}

TEST_CASE("options reach the planner") {
  const Answers third = answers_of(reprise::EveryNth{.n = 3});
  CHECK(answers_of(planner_by_name("every-n", {.n = 3})) == third);
  CHECK(answers_of(planner_by_name("every-3")) == third);
  CHECK(answers_of(planner_by_name("every-3", {.n = 3})) == third);
  CHECK_FALSE(answers_of(planner_by_name("every-n")) == third);
  CHECK(answers_of(planner_by_name("gradient", {.alpha = 1.5})) ==
        answers_of(reprise::GradientThreshold{reprise::MedianThreshold{.alpha = 1.5}}));
  CHECK(answers_of(planner_by_name("binomial", {.checkpoints = 2})) ==
        answers_of(reprise::Binomial{.checkpoints = 2}));
  CHECK(answers_of(planner_by_name("optimal", {.slots = 12, .threads = 2})) ==
        answers_of(reprise::OptimalChain{.slots = 12, .threads = 2}));
  CHECK(answers_of(planner_by_name("optimal", {.most_table_bytes = 64})) ==
        answers_of(reprise::OptimalChain{.most_table_bytes = 64}));
  CHECK(answers_of(planner_by_name("min-cut", {.looks_further = false})) ==
        answers_of(reprise::MinCut{.looks_further = false}));
  CHECK(answers_of(planner_by_name("search", {.tries = 25, .threads = 1, .seed = 7})) ==
        answers_of(reprise::LocalSearch{{.tries = 25, .threads = 1, .seed = 7}}));
  CHECK(answers_of(planner_by_name("balanced", {.tries = 25, .seed = 7})) ==
        answers_of(reprise::Balanced{{.tries = 25, .seed = 7}}));
}

TEST_CASE("each name that is listed makes a planner, with the options that are listed") {
  CHECK(reprise::planner_names().size() == 16);
  const reprise::Program program = reprise_test::chain_program(10);
  for (const reprise::PlannerName& planner : reprise::planner_names()) {
    CAPTURE(planner.name);
    CHECK(planner.summary.ends_with('.'));
    CHECK(&reprise::planner_name(planner.name) == &planner);
    auto with_options = planner_by_name(planner.name, options_for(planner.name, every_option()));
    static_cast<void>(with_options({.program = program}));
    auto made = planner_by_name(planner.name, reprise::options_for(planner.name, {.tries = 30}));
    const reprise::Plan plan = made({.program = program});
    // Whether a smaller budget than its usual plan's is refused.
    const reprise::PlanRequest less{.program = program, .budget = plan.peak_bytes - 1};
    if (planner.adapts_to_budget) {
      CHECK(made(less).peak_bytes <= less.budget);
    } else {
      CHECK_THROWS_AS(static_cast<void>(made(less)), reprise::BudgetInfeasible);
    }
  }
}

TEST_CASE("an option that a planner does not have is refused, and left out where it is asked for") {
  CHECK(refusal_of("min-cut", {.tries = 200}) ==
        "planner 'min-cut' has no option tries (given as 200): it has looks_further");
  CHECK(refusal_of("lru", {.share = 0.25}) ==
        "planner 'lru' has no option share (given as 0.25): it has none");
  CHECK(refusal_of("every-4", {.looks_further = true}) ==
        "planner 'every-4' has no option looks_further (given as true): it has n");
  CHECK(refusal_of("search", {.first_seconds = 2.0}) ==
        "planner 'search' has no option first_seconds (given as 2): it has seconds, tries, threads "
        "and seed");
  for (const reprise::PlannerName& planner : reprise::planner_names()) {
    CAPTURE(planner.name);
    const bool has_all = planner.options.size() == 13;
    CHECK(refusal_of(planner.name, every_option()).empty() == has_all);
  }
  const PlannerOptions own = options_for("search", every_option());
  CHECK(own.tries == 30);
  CHECK(own.seconds == 0.01);
  CHECK(own.seed == 5);
  CHECK_FALSE(own.n.has_value());
  CHECK_FALSE(own.first_seconds.has_value());
}

TEST_CASE("an option out of its range is refused with its value") {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(refusal_of("every-n", {.n = 0}) == "planner option n is 0, which is not at least 1");
  CHECK(refusal_of("binomial", {.checkpoints = 0}) ==
        "planner option checkpoints is 0, which is not at least 1");
  CHECK(refusal_of("optimal", {.slots = 0}) ==
        "planner option slots is 0, which is not at least 1");
  CHECK(refusal_of("search", {.seconds = -1.0}) ==
        "planner option seconds is -1, which is not from 0 to 1e+09");
  CHECK(refusal_of("balanced", {.share = 1.5}) ==
        "planner option share is 1.5, which is not from 0 to 1");
  CHECK(refusal_of("gradient", {.alpha = nan}) ==
        "planner option alpha is nan, which is not finite and at least 0");
  CHECK(refusal_of("gradient", {.alpha = std::numeric_limits<double>::infinity()}) ==
        "planner option alpha is inf, which is not finite and at least 0");
  CHECK(refusal_of("every-4", {.n = 5}) ==
        "planner 'every-4' with n = 5: the name says another number");
}

TEST_CASE("a planner that does not exist is refused with the names of those that do") {
  try {
    static_cast<void>(planner_by_name("Min_Cut"));
    FAIL("there is no planner of that name");
  } catch (const reprise::UnknownName& refused) {
    CHECK(refused.name() == "Min_Cut");
    CHECK(refused.nearest() == "min-cut");
    CHECK(refused.known().size() == reprise::planner_names().size());
    CHECK(std::string(refused.what()).starts_with("there is no planner 'Min_Cut' (did you mean "));
  }
  for (const std::string_view name : {"", "every-", "every-0", "every-04", "every--4", "every-4x",
                                      "every-99999999999999999999"}) {
    CAPTURE(name);
    CHECK_THROWS_AS(static_cast<void>(planner_by_name(name)), reprise::UnknownName);
    CHECK_THROWS_AS(static_cast<void>(reprise::planner_name(name)), reprise::UnknownName);
    CHECK_THROWS_AS(static_cast<void>(reprise::options_for(name, {})), reprise::UnknownName);
  }
  CHECK(reprise::planner_name("every-12").name == "every-n");
}
