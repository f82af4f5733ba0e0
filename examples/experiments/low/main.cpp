// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Plans programs just over the lower bound on their bytes, and prints recomputation over the
// program's own compute as Markdown.
//
//   plan_low TRACES [SECONDS [THREADS]] [--program NAME] [--over 1.05,1.1,...]

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/program/bounds.hpp>
#include <string>
#include <utility>
#include <vector>

#include "effort_options.hpp"
#include "nets.hpp"
#include "recorded_program.hpp"
#include "run_tool.hpp"

namespace {

using reprise::byte_count;

/// A program by its name, and the least share of the bound at which a plan is due.
struct Subject {
  std::string name;
  double goal;
  std::function<reprise::Program()> make;
};

std::vector<Subject> subjects(const std::filesystem::path& traces) {
  const auto recorded = [&](const std::string& name) {
    return [path = (traces / (name + ".log.xz")).string()] {
      return replay::read_recorded_program(path).program;
    };
  };
  return {{"recurrent", 1.15, [] { return kinds::recurrent(30); }},
          {"tree-shaped", 1.15, [] { return kinds::tree_shaped(6); }},
          {"unrolled optimiser", 1.15, [] { return kinds::unrolled_optimiser(24); }},
          {"densely connected", 1.4, [] { return kinds::densely_connected(3, 12); }},
          {"unet", 1.15, recorded("unet")},
          {"inceptionv4", 1.15, recorded("inceptionv4")},
          {"resnet32", 1.2, recorded("resnet32")},
          {"transformer", 1.4, recorded("transformer")},
          {"gpt", 1.2, recorded("pytorch/gpt")},
          {"resnet50", 1.15, recorded("pytorch/resnet50")},
          {"diffusion_unet", 1.15, recorded("pytorch/diffusion_unet")}};
}

std::uint32_t most_runs(const reprise::Program& program, const reprise::Schedule& schedule) {
  std::vector<std::uint32_t> runs(program.operations().size(), 0);
  for (const reprise::Action& action : schedule.actions) {
    if (action.kind == reprise::ActionKind::run) ++runs[action.index];
  }
  return *std::ranges::max_element(runs);
}

void plan_all(const Subject& subject, std::vector<double> shares,
              const reprise::SearchEffort& effort) {
  const reprise::Program program = subject.make();
  const auto bound = static_cast<double>(reprise::sharper_lower_bound_bytes(program));
  const auto all = static_cast<double>(reprise::MinCut{}({.program = program}).peak_bytes);
  if (shares.empty()) shares = {1.05, 1.1, 1.15, 1.2, 1.3, 1.4, 1.7, 2.0};
  for (const double share : shares) {
    const auto budget = static_cast<byte_count>(std::ceil(share * bound));
    const auto begin = std::chrono::steady_clock::now();
    std::string answer;
    try {
      const reprise::Plan plan =
          reprise::LocalSearch{effort}({.program = program, .budget = budget});
      answer = std::to_string(plan.recomputed_cost / program.forward_cost()) + " | " +
               std::to_string(most_runs(program, plan.schedule));
    } catch (const reprise::BudgetInfeasible& refusal) {
      answer =
          "needs " + std::to_string(static_cast<double>(refusal.smallest_budget()) / bound) + " | ";
    }
    const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
    std::printf("| %s | %.3f | %.2f%s | %.3f | %s | %.2f |\n", subject.name.c_str(), bound / all,
                share, share == subject.goal ? " (goal)" : "", share * bound / all, answer.c_str(),
                passed.count());
    std::fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return example::run_tool("plan_low", [&] {
    std::filesystem::path traces;
    std::string only;
    std::vector<double> shares;
    reprise::SearchEffort effort;
    CLI::App app("Plans programs just over the lower bound on their bytes.", "plan_low");
    app.add_option("TRACES", traces, "The folder of the recorded programs")
        ->required()
        ->check(CLI::ExistingDirectory);
    example::add_effort_options(app, effort);
    app.add_option("--program", only, "The only one to plan");
    app.add_option("--over", shares, "Budgets as multiples of the bound")->delimiter(',');
    try {
      app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
      std::fputs(app.help().c_str(), stdout);
      return;
    }
    std::printf(
        "| program | bound, of all | budget over it | budget, of all | recomputed | runs | s |\n"
        "|---|---:|---:|---:|---:|---:|---:|\n");
    for (const Subject& subject : subjects(traces)) {
      if (only.empty() || only == subject.name) plan_all(subject, shares, effort);
    }
  });
}
