// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "policy.hpp"

#include <cmath>
#include <random>
#include <reprise/core/error.hpp>
#include <reprise/eviction/eviction_policy_by_name.hpp>
#include <reprise/planner/planner_by_name.hpp>
#include <reprise/planner/run_online.hpp>
#include <reprise/program/simulate.hpp>
#include <string_view>
#include <utility>
#include <variant>

namespace scale {
namespace {

using reprise::byte_count;
using reprise::PlanRequest;

Outcome play(const TransformerProgram& model, const reprise::Schedule& schedule,
             double lower_bound_cost = 0) {
  const reprise::Simulation played = simulate(model.program, schedule);
  return {.peak_bytes = played.peak_bytes,
          .recomputed_cost = played.recomputed_cost,
          .lower_bound_cost = lower_bound_cost};
}

Policy planned(std::string name, Family family, reprise::AnyPlanner planner,
               std::vector<double> gradients = {}) {
  const auto plan = [planner = std::move(planner), gradients = std::move(gradients)](
                        const TransformerProgram& model,
                        byte_count budget) mutable -> std::optional<Outcome> {
    try {
      const reprise::Plan found =
          planner({.program = model.program, .budget = budget, .gradients = gradients});
      return play(model, found.schedule, found.lower_bound_cost);
    } catch (const reprise::BudgetInfeasible&) {
      return std::nullopt;
    }
  };
  return {.name = std::move(name), .family = family, .plan = plan};
}

/// Beyond so many runs of each operation an online policy counts as thrashing: operations without a
/// product cost no FLOPs, so that recomputed cost alone need not grow.
constexpr std::size_t most_passes = 10;

Policy online(std::string_view name) {
  const auto plan = [policy = reprise::eviction_policy_by_name(name)](
                        const TransformerProgram& model,
                        byte_count budget) -> std::optional<Outcome> {
    double cost = 0;
    for (const reprise::Operation& op : model.program.operations()) cost += op.cost;
    const reprise::OnlineOptions options{
        .budget = budget,
        .most_recomputed_cost = cost,
        .most_reruns = most_passes * model.program.operations().size()};
    const reprise::OnlineRun run = std::visit(
        [&](const auto& own) { return run_online(model.program, own, options); }, policy);
    if (run.result != reprise::OnlineRun::Result::pass) return std::nullopt;
    return play(model, run.schedule);
  };
  return {.name = std::string(name), .family = Family::online, .plan = plan};
}

Policy selective() {
  const auto plan = [](const TransformerProgram& model,
                       byte_count budget) -> std::optional<Outcome> {
    const Outcome outcome = play(model, selective_schedule(model));
    if (outcome.peak_bytes > budget) return std::nullopt;
    return outcome;
  };
  return {.name = "selective", .family = Family::fixed, .plan = plan};
}

std::vector<double> geometric(std::size_t layers, double first, double last) {
  std::vector<double> gradients;
  for (std::size_t layer = 0; layer < layers; ++layer) {
    const double share =
        layers > 1 ? static_cast<double>(layer) / static_cast<double>(layers - 1) : 0.0;
    gradients.push_back(first * std::pow(last / first, share));
  }
  return gradients;
}

// Box and Muller's, so that the numbers are the same with every standard library.
std::vector<double> log_normal(std::size_t layers, std::uint32_t seed) {
  std::mt19937 random(seed);
  const auto uniform = [&] { return (static_cast<double>(random()) + 0.5) / 0x1p32; };
  std::vector<double> gradients;
  for (std::size_t layer = 0; layer < layers; ++layer) {
    const double radius = std::sqrt(-2 * std::log(uniform()));
    gradients.push_back(std::exp(radius * std::cos(6.283185307179586 * uniform())));
  }
  return gradients;
}

void add_gradient_rule(std::vector<Policy>& all, const std::string& name, double alpha,
                       std::size_t layers) {
  for (GradientProfile& profile : gradient_profiles(layers)) {
    all.push_back(planned(name + ", " + profile.name, Family::gradient,
                          reprise::planner_by_name("gradient", {.alpha = alpha}),
                          std::move(profile.gradients)));
  }
}

}  // namespace

std::vector<GradientProfile> gradient_profiles(std::size_t layers) {
  std::vector<GradientProfile> profiles{{"falling", geometric(layers, 10, 1)},
                                        {"rising", geometric(layers, 1, 10)}};
  for (std::uint32_t seed = 1; seed <= 3; ++seed) {
    profiles.push_back({"random " + std::to_string(seed), log_normal(layers, seed)});
  }
  return profiles;
}

std::vector<Policy> policies(std::size_t layers, const reprise::SearchEffort& effort) {
  using reprise::planner_by_name;
  std::vector<Policy> all{
      planned("none", Family::fixed, planner_by_name("store-all")),
      planned("every-4", Family::fixed, planner_by_name("every-4")),
      planned("sqrt", Family::fixed, planner_by_name("sqrt")),
      planned("full", Family::fixed, planner_by_name("recompute-all")),
      selective(),
      planned("optimal", Family::chain, planner_by_name("optimal")),
  };
  for (const auto& policy : reprise::eviction_policy_names()) all.push_back(online(policy.name));
  add_gradient_rule(all, "gradient", 1.0, layers);
  add_gradient_rule(all, "gradient order", 0.0, layers);
  all.push_back(planned("min-cut", Family::cut, planner_by_name("min-cut")));
  all.push_back(planned("search", Family::cut,
                        planner_by_name("search", {.seconds = effort.seconds,
                                                   .tries = effort.tries,
                                                   .threads = effort.threads,
                                                   .seed = effort.seed})));
  return all;
}

}  // namespace scale
