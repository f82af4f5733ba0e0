// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "policy.hpp"

#include <cmath>
#include <random>
#include <reprise/core/error.hpp>
#include <reprise/eviction/dtr.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/eviction/dtr_local.hpp>
#include <reprise/eviction/largest.hpp>
#include <reprise/eviction/lru.hpp>
#include <reprise/eviction/msps.hpp>
#include <reprise/planner/every_nth.hpp>
#include <reprise/planner/gradient_threshold.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/optimal_chain.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/run_online.hpp>
#include <reprise/planner/square_root.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/program/simulate.hpp>
#include <reprise/threshold/median_threshold.hpp>
#include <utility>

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

template <reprise::Planner P>
Policy planned(std::string name, Family family, P planner, std::vector<double> gradients = {}) {
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

template <reprise::EvictionPolicy P>
Policy online(std::string name) {
  const auto plan = [](const TransformerProgram& model,
                       byte_count budget) -> std::optional<Outcome> {
    double cost = 0;
    for (const reprise::Operation& op : model.program.operations()) cost += op.cost;
    const reprise::OnlineRun run =
        run_online(model.program, P{},
                   {.budget = budget,
                    .most_recomputed_cost = cost,
                    .most_reruns = most_passes * model.program.operations().size()});
    if (run.result != reprise::OnlineRun::Result::pass) return std::nullopt;
    return play(model, run.schedule);
  };
  return {.name = std::move(name), .family = Family::online, .plan = plan};
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
                          reprise::GradientThreshold(reprise::MedianThreshold{alpha}),
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
  std::vector<Policy> all{
      planned("none", Family::fixed, reprise::StoreAll{}),
      planned("every-4", Family::fixed, reprise::EveryNth{.n = 4}),
      planned("sqrt", Family::fixed, reprise::SquareRoot{}),
      planned("full", Family::fixed, reprise::RecomputeAll{}),
      selective(),
      planned("optimal", Family::chain, reprise::OptimalChain{}),
      online<reprise::Dtr>("dtr"),
      online<reprise::DtrEqClass>("dtr-eq"),
      online<reprise::DtrLocal>("dtr-local"),
      online<reprise::Msps>("msps"),
      online<reprise::Lru>("lru"),
      online<reprise::Largest>("largest"),
  };
  add_gradient_rule(all, "gradient", 1.0, layers);
  add_gradient_rule(all, "gradient order", 0.0, layers);
  all.push_back(planned("min-cut", Family::cut, reprise::MinCut{}));
  all.push_back(planned("search", Family::cut, reprise::LocalSearch{effort}));
  return all;
}

}  // namespace scale
