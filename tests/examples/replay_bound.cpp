// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// labels: reference
// long: REPRISE_CASES=300
// traces: shared

// The bound that a solver proves, against the optimum of small programs and on recorded ones
// against what is proven for free and what is reached.

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <limits>
#include <optional>
#include <random>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/staged/staged_plan.hpp>
#include <reprise/program/bounds.hpp>
#include <string>

#include "exact_bound.hpp"
#include "mip_solver.hpp"
#include "recorded_program.hpp"
#include "support/cases.hpp"
#include "support/exhaustive_plan.hpp"
#include "support/recorded_programs.hpp"
#include "support/seed.hpp"
#include "support/skip.hpp"
#include "support/traces.hpp"

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();
constexpr double rounding = 1 + 1e-6;  ///< a solver's tolerance

std::optional<reprise::Plan> plan_by(const auto& planner, const reprise::PlanRequest& request) {
  try {
    return planner(request);
  } catch (const reprise::BudgetInfeasible&) {
    return std::nullopt;
  }
}

/// Whether every valid schedule runs what cannot be repeated before the instant if the program
/// does: the bound is one for such plans.
bool keeps_order(const reprise::Program& program, reprise::operation_id instant) {
  const auto operations = program.operations();
  return !operations[instant].repeatable ||
         std::ranges::all_of(operations.first(instant), &reprise::Operation::repeatable);
}

}  // namespace

TEST_CASE("small programs: no exact bound is above the optimum or below the free one") {
  if (replay::solver_name().empty()) return reprise_test::skip("there is no HiGHS, CBC or GLPK");
  REPRISE_SEEDED(random);
  int tight = 0;
  int higher = 0;
  for (std::size_t i = 0; i < reprise_test::cases(60); ++i) {
    CAPTURE(i);
    const reprise::Program program = reprise_test::random_recorded_program(random, 12);
    const reprise::staged::StagedProgram staged(program);
    const reprise::staged::StagedPlan all(staged, {});
    const auto instant = static_cast<reprise::operation_id>(all.profile().highest());
    if (!keeps_order(program, instant)) continue;
    const auto peak = static_cast<reprise::byte_count>(all.profile()[instant]);
    const reprise::byte_count least = reprise::lower_bound_bytes(program);
    for (const unsigned share : {1U, 2U, 3U}) {
      const reprise::byte_count budget = least + (peak - least) * share / 4;
      CAPTURE(budget);
      const double exact = replay::exact_bound(program, budget, 10);
      const double optimum = reprise_test::cheapest_recomputation(program, budget, instant);
      CHECK(exact <= optimum * rounding);
      if (exact > 0 && exact * rounding >= optimum) ++tight;
      const auto cut = plan_by(reprise::MinCut{}, {.program = program, .budget = budget});
      if (!cut) continue;
      CHECK(exact * rounding >= cut->lower_bound_cost);
      if (exact > cut->lower_bound_cost * rounding) ++higher;
    }
  }
  MESSAGE(tight, " bounds are the optimum itself; ", higher, " are above the free one");
  CHECK(tight > 0);
  CHECK(higher > 0);
}

TEST_CASE("recorded programs: an exact bound is between the free one and what a search reaches") {
  if (replay::solver_name().empty()) return reprise_test::skip("there is no HiGHS, CBC or GLPK");
  const std::filesystem::path traces = reprise_test::traces();
  if (!std::filesystem::exists(traces)) return reprise_test::skip("there is no shared/traces");
  for (const std::string model : {"resnet32", "unet", "transformer", "inceptionv4", "pytorch/gpt",
                                  "pytorch/resnet50", "pytorch/diffusion_unet"}) {
    const replay::RecordedProgram recorded =
        replay::read_recorded_program((traces / (model + ".log.xz")).string());
    const auto baseline = static_cast<double>(baseline_bytes(recorded));
    for (const double ratio : {0.4, 0.6, 0.8}) {
      CAPTURE(model);
      CAPTURE(ratio);
      const reprise::PlanRequest request{
          .program = recorded.program,
          .budget = static_cast<reprise::byte_count>(ratio * baseline)};
      const double exact = replay::exact_bound(recorded.program, request.budget, 1);
      if (const auto cut = plan_by(reprise::MinCut{}, request)) {
        CHECK(exact * rounding >= cut->lower_bound_cost);
      }
      const auto found = plan_by(reprise::LocalSearch{{.tries = 20'000}}, request);
      if (!found) continue;
      CHECK(exact <= found->recomputed_cost * rounding);
    }
  }
}

TEST_CASE("what cannot fit at the instant is infinite, and without choice nothing is solved") {
  if (replay::solver_name().empty()) return reprise_test::skip("there is no HiGHS, CBC or GLPK");
  REPRISE_SEEDED(random);
  const reprise::Program program = reprise_test::random_recorded_program(random, 12);
  CHECK(replay::exact_bound(program, reprise::unlimited_bytes, 10) == 0);
  CHECK(replay::exact_bound(program, 0, 10) == infinite);
}
