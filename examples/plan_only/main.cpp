// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Trains a residual net in one slab: Reprise plans a step for it and calls the engine's kernels
// with pointers into it. Fails if a loss or a gradient is not, to the bit, that of keeping
// everything.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <reprise/program/explain.hpp>
#include <string>

#include "gpt/budget.hpp"
#include "plan_only/net.hpp"
#include "plan_only/planning.hpp"
#include "plan_only/slab.hpp"
#include "run_tool.hpp"

namespace {

struct Options {
  std::string policy = "search";
  std::string budget = "50%";
  std::uint32_t blocks = 6;
  std::uint32_t steps = 100;
};

std::optional<Options> parse_options(int argc, const char* const* argv) {
  Options options;
  CLI::App app("Trains a small net in one slab of memory, by a plan.", "plan_only");
  app.option_defaults()->always_capture_default();
  app.add_option("--policy", options.policy,
                 reprise::UnknownName::listed(plan_only::planner_names));
  app.add_option("--budget", options.budget, "Bytes of the slab: 256KiB, or 50% of store-all's");
  app.add_option("--blocks", options.blocks, "Residual blocks")->check(CLI::Range(1, 200));
  app.add_option("--steps", options.steps, "Optimiser steps")->check(CLI::Range(1, 100'000));
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return std::nullopt;
  }
  return options;
}

bool same_bits(const plan_only::Engine& a, const plan_only::Engine& b) {
  const auto bits = [](float x) { return std::bit_cast<std::uint32_t>(x); };
  return bits(a.loss) == bits(b.loss) &&
         std::ranges::equal(a.gradients, b.gradients, {}, bits, bits);
}

void print_plan(const plan_only::Net& net, const reprise::SlabPlan& laid,
                reprise::byte_count budget, reprise::byte_count keeping_all) {
  const auto& [plan, layout] = laid;
  const auto text = [](reprise::byte_count bytes) { return reprise::format_bytes(bytes); };
  std::fputs(explain(net.program(), plan.schedule, {.operation_names = net.names()}).c_str(),
             stdout);
  std::printf("\nslab              %s, of %s that it may have\n", text(layout.high_water).c_str(),
              text(budget).c_str());
  std::printf("live at once      %s: this plan fits no smaller slab\n",
              text(layout.live_bytes).c_str());
  std::printf("keep everything   %s\n", text(keeping_all).c_str());
  double compute = 0;
  for (const reprise::Operation& operation : net.program().operations()) compute += operation.cost;
  std::printf(
      "recomputed        %.2f %% of a step's compute, at least %.2f %% within this budget\n",
      100 * plan.recomputed_cost / compute, 100 * plan.lower_bound_cost / compute);
}

void train(const Options& options) {
  const plan_only::Net net(options.blocks);
  const reprise::byte_count keeping_all =
      plan_only::plan_slab("store-all", net.program(), reprise::unlimited_bytes).layout.high_water;
  const reprise::byte_count budget = gpt::parse_budget(options.budget).resolve(keeping_all);
  const reprise::SlabPlan laid = plan_only::plan_slab(options.policy, net.program(), budget);
  print_plan(net, laid, budget, keeping_all);

  plan_only::Slab slab(net, laid);
  plan_only::Engine planned = net.make_engine();
  plan_only::Engine plain = net.make_engine();
  float first_loss = 0;
  for (std::uint32_t step = 0; step < options.steps; ++step) {
    for (plan_only::Engine* const engine : {&planned, &plain}) draw_batch(*engine, step);
    slab.run_step(net, planned);
    run_plainly(net, plain);
    if (!same_bits(planned, plain)) {
      throw reprise::Error("step " + std::to_string(step) +
                           ": loss or gradients are not those of keeping everything");
    }
    if (!std::isfinite(planned.loss)) {
      throw reprise::Error("step " + std::to_string(step) + ": the loss is no number any more");
    }
    if (step == 0) first_loss = planned.loss;
    for (plan_only::Engine* const engine : {&planned, &plain}) descend(*engine);
  }
  std::printf(
      "loss              %.4f to %.4f in %u steps, with all gradients bit for bit those of keeping "
      "everything\n",
      static_cast<double>(first_loss), static_cast<double>(planned.loss), options.steps);
}

}  // namespace

int main(int argc, char** argv) {
  return example::run_tool("plan_only", [&] {
    if (const std::optional<Options> options = parse_options(argc, argv)) train(*options);
  });
}
