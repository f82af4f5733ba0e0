// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// labels: reference
// long: REPRISE_CASES=400000
// traces: shared

// Plans of recorded programs against what online policies and PyTorch's partitioner make of them.
// A search has so many tries, not a time, so that a busy machine does not matter; 400,000 are what
// two cores do in about a second.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <reprise/planner/local_search.hpp>
#include <reprise/program/layout.hpp>
#include <string>
#include <vector>

#include "recorded_program.hpp"
#include "support/cases.hpp"
#include "support/planner_conformance.hpp"
#include "support/skip.hpp"
#include "support/traces.hpp"

namespace {

using Row = std::map<std::string, std::string>;

constexpr std::uint64_t all_tries = 400'000;

std::uint64_t tries() { return reprise_test::cases(all_tries / 10); }

std::optional<reprise::Plan> plan(const reprise::Program& program, reprise::byte_count budget) {
  const reprise::PlanRequest request{.program = program, .budget = budget};
  try {
    reprise::Plan found = reprise::LocalSearch{{.tries = tries()}}(request);
    reprise_test::check_plan(request, found);
    return found;
  } catch (const reprise::BudgetInfeasible&) {
    return std::nullopt;
  }
}

// Without a search for a better layout, so that a busy machine does not matter. The bound does
// without the gaps that alignment leaves, which the arena has.
double arena_over_live(const reprise::Program& program, const reprise::Plan& plan) {
  const reprise::ArenaLayout arena = reprise::layout(program, plan.schedule, {.tries = 1});
  const reprise::ArenaLayout packed =
      reprise::layout(program, plan.schedule, {.alignment = 1, .tries = 1});
  return static_cast<double>(arena.high_water) / static_cast<double>(packed.live_bytes);
}

double number(const Row& row, const std::string& column) {
  const std::string& text = row.at(column);
  return text.empty() ? std::numeric_limits<double>::infinity() : std::stod(text);
}

double median(std::vector<double> numbers) {
  const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2);
  std::ranges::nth_element(numbers, middle);
  return *middle;
}

}  // namespace

TEST_CASE("recorded DTR programs: below every online policy, and far below DTREqClass") {
  if (!std::filesystem::exists(reprise_test::traces())) return reprise_test::skip("no traces");
  struct Point {
    reprise::byte_count budget = 0;
    double best_online = std::numeric_limits<double>::infinity();
    double eq_class = std::numeric_limits<double>::infinity();
  };
  std::map<std::string, std::map<std::string, Point>> models;
  for (const Row& row : reprise_test::read_table(reprise_test::traces() / "reference.csv")) {
    if (number(row, "ratio") < 0.2) continue;
    Point& point = models[row.at("model")][row.at("ratio")];
    point.budget = std::stoull(row.at("budget_bytes"));
    if (row.at("result") != "pass") continue;
    point.best_online = std::min(point.best_online, number(row, "remat_compute"));
    if (row.at("heuristic") == "DTREqClass") point.eq_class = number(row, "remat_compute");
  }
  double logarithms = 0;
  int points = 0;
  std::vector<double> arenas;
  for (const auto& entry : models) {
    const std::string& model = entry.first;  // clang 14 captures no structured binding
    const replay::RecordedProgram recorded =
        replay::read_recorded_program((reprise_test::traces() / (model + ".log.xz")).string());
    for (const auto& of_ratio : entry.second) {
      const std::string& ratio = of_ratio.first;
      const Point& point = of_ratio.second;
      CAPTURE(model);
      CAPTURE(ratio);
      const std::optional<reprise::Plan> found = plan(recorded.program, point.budget);
      // No exact plan of U-Net needs less than 0.242 of its baseline.
      const bool is_forbidden = reprise::lower_bound_bytes(recorded.program) > point.budget;
      CHECK(found.has_value() == !is_forbidden);
      if (!found) continue;
      CHECK(found->recomputed_cost <= point.best_online);
      arenas.push_back(arena_over_live(recorded.program, *found));
      if (std::isinf(point.eq_class)) continue;
      logarithms += std::log(found->recomputed_cost / point.eq_class);
      ++points;
    }
  }
  CHECK(points == 28);
  const double mean = std::exp(logarithms / points);
  MESSAGE("recompute over DTREqClass's, geometric mean of ", points, " points: ", mean);
  CHECK(mean <= (tries() < all_tries ? 0.68 : 0.66));
  MESSAGE("arena over live bytes, median: ", median(arenas));
  CHECK(median(arenas) <= 1.02);
}

TEST_CASE("recorded PyTorch programs: not above its partitioner at the partitioner's own peak") {
  if (!std::filesystem::exists(reprise_test::traces())) return reprise_test::skip("no traces");
  const std::filesystem::path folder = reprise_test::traces() / "pytorch";
  std::map<std::string, replay::RecordedProgram> programs;
  int points = 0;
  int close = 0;
  std::vector<double> arenas;
  for (const Row& row : reprise_test::read_table(folder / "reference.csv")) {
    if (row.at("knob") == "store-all" || number(row, "knob") >= 1) continue;
    const std::string& model = row.at("model");
    CAPTURE(model);
    CAPTURE(row.at("knob"));
    if (!programs.contains(model)) {
      programs.emplace(model,
                       replay::read_recorded_program((folder / (model + ".log.xz")).string()));
    }
    const std::optional<reprise::Plan> found =
        plan(programs.at(model).program, std::stoull(row.at("peak_bytes")));
    REQUIRE(found);
    // Its graphs leave operations out that the recorded program has; where a proof says that they
    // must have, there is nothing to reach.
    const double theirs = number(row, "recompute_cost");
    CHECK((found->recomputed_cost <= theirs || found->lower_bound_cost > theirs));
    arenas.push_back(arena_over_live(programs.at(model).program, *found));
    ++points;
    if (found->recomputed_cost <= 1.05 * found->lower_bound_cost) ++close;
  }
  MESSAGE(close, " of ", points, " points within 5 % of the proven bound");
  CHECK(2 * close >= points);
  MESSAGE("arena over live bytes, median: ", median(arenas));
  CHECK(median(arenas) <= 1.02);
}
