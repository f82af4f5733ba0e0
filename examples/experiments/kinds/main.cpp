// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Plans programs of kinds that the shared ones are not, at ratios 0.2 to 0.9 of what keeping
// everything takes, and prints recomputation over the program's own compute as Markdown.
//
//   plan_kinds [SECONDS [THREADS]]

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <limits>
#include <reprise/core/error.hpp>
#include <reprise/eviction/dtr.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/run_online.hpp>
#include <string>
#include <utility>
#include <vector>

#include "effort_options.hpp"
#include "nets.hpp"
#include "run_tool.hpp"

namespace {

constexpr double none = std::numeric_limits<double>::infinity();

template <class F>
double cost_or_none(F&& plan) {
  try {
    return plan().recomputed_cost;
  } catch (const reprise::BudgetInfeasible&) {
    return none;
  }
}

template <reprise::EvictionPolicy P>
double online_cost(const reprise::PlanRequest& request) {
  const double compute = request.program.forward_cost();
  const reprise::OnlineRun run = reprise::run_online(
      request.program, P{}, {.budget = request.budget, .most_recomputed_cost = compute});
  return run.result == reprise::OnlineRun::Result::pass ? run.recomputed_cost : none;
}

std::string share(double cost, double unit) {
  if (cost == none) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.4f", cost / unit);
  return text;
}

void plan_all(const reprise::SearchEffort& effort) {
  const std::vector<std::pair<const char*, reprise::Program>> programs{
      {"recurrent", kinds::recurrent(30)},
      {"tree-shaped", kinds::tree_shaped(6)},
      {"densely connected", kinds::densely_connected(3, 12)},
      {"unrolled optimiser", kinds::unrolled_optimiser(24)}};
  std::printf(
      "| program | operations | ratio | Dtr | DtrEqClass | min-cut | search | bound |\n"
      "|---|---:|---:|---:|---:|---:|---:|---:|\n");
  double logarithms = 0;
  int compared = 0;
  for (const auto& [name, program] : programs) {
    const double unit = program.forward_cost();
    const reprise::byte_count all = reprise::MinCut{}({.program = program}).peak_bytes;
    for (int tenths = 9; tenths >= 2; --tenths) {
      const reprise::PlanRequest request{
          .program = program, .budget = all * static_cast<reprise::byte_count>(tenths) / 10};
      const double eq_class = online_cost<reprise::DtrEqClass>(request);
      double bound = 0;
      const double search = cost_or_none([&] {
        reprise::Plan plan = reprise::LocalSearch{effort}(request);
        bound = plan.lower_bound_cost;
        return plan;
      });
      const double cut = cost_or_none([&] { return reprise::MinCut{}(request); });
      std::printf("| %s | %zu | 0.%d | %s | %s | %s | %s | %s |\n", name,
                  program.operations().size(), tenths,
                  share(online_cost<reprise::Dtr>(request), unit).c_str(),
                  share(eq_class, unit).c_str(), share(cut, unit).c_str(),
                  share(search, unit).c_str(), share(bound, unit).c_str());
      std::fflush(stdout);
      if (search == none || eq_class == none || search <= 0 || eq_class <= 0) continue;
      logarithms += std::log(search / eq_class);
      ++compared;
    }
  }
  std::printf("\ngeometric mean over DtrEqClass: %.4f (%d points)\n",
              std::exp(logarithms / std::max(compared, 1)), compared);
}

}  // namespace

int main(int argc, char** argv) {
  return example::run_tool("plan_kinds", [&] {
    reprise::SearchEffort effort;
    CLI::App app("Plans programs of kinds that the shared ones are not.", "plan_kinds");
    example::add_effort_options(app, effort);
    try {
      app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
      std::fputs(app.help().c_str(), stdout);
      return;
    }
    plan_all(effort);
  });
}
