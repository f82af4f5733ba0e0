// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The policies that the demo compares, by their names on the command line.

#include <algorithm>
#include <array>
#include <cstddef>
#include <reprise/core/error.hpp>
#include <reprise/eviction/dtr.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/planner/balanced.hpp>
#include <reprise/planner/binomial.hpp>
#include <reprise/planner/every_nth.hpp>
#include <reprise/planner/gradient_threshold.hpp>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/planner/online.hpp>
#include <reprise/planner/optimal_chain.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/square_root.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/threshold/median_threshold.hpp>
#include <string>
#include <string_view>

namespace gpt {

/// Who decides what is kept.
enum class Policy {
  store_all,
  recompute_all,
  every_4,
  square_root,
  gradient,
  binomial,
  optimal,
  dtr,
  dtr_eq,
  min_cut,
  search,
  balanced
};

/// Their names, in their order.
inline constexpr auto policy_names = std::to_array<std::string_view>(
    {"store-all", "recompute-all", "every-4", "sqrt", "gradient", "binomial", "optimal", "dtr",
     "dtr-eq", "min-cut", "search", "balanced"});

/// Their names in a row, for people.
[[nodiscard]] inline std::string policy_list() {
  std::string list;
  for (std::size_t i = 0; i < policy_names.size(); ++i) {
    if (i > 0) list += i + 1 < policy_names.size() ? ", " : " or ";
    list += policy_names.at(i);
  }
  return list;
}

[[nodiscard]] constexpr std::string_view name_of(Policy policy) {
  return policy_names.at(static_cast<std::size_t>(policy));
}

/// @throws reprise::InvalidArgument if there is no such policy.
[[nodiscard]] inline Policy policy_named(std::string_view name) {
  const auto found = std::ranges::find(policy_names, name);
  if (found == policy_names.end()) {
    throw reprise::InvalidArgument("--policy: there is no policy '" + std::string(name) +
                                   "'; choose " + policy_list());
  }
  return static_cast<Policy>(found - policy_names.begin());
}

/// True if the policy keeps less when the budget is small; the others have one shape.
[[nodiscard]] constexpr bool adapts_to_budget(Policy policy) { return policy >= Policy::gradient; }

/// What planners are told beside the budget.
struct PlannerOptions {
  double alpha = 1;         ///< of gradient
  double plan_seconds = 1;  ///< of search
  int threads = 1;          ///< of search
};

/// Calls `f` with the policy's planner; of an online policy: what it would do on a known program.
template <class F>
auto with_planner(Policy policy, const PlannerOptions& options, F&& f) {
  switch (policy) {
    case Policy::recompute_all:
      return f(reprise::RecomputeAll{});
    case Policy::every_4:
      return f(reprise::EveryNth{.n = 4});
    case Policy::square_root:
      return f(reprise::SquareRoot{});
    case Policy::gradient:
      return f(reprise::GradientThreshold{reprise::MedianThreshold{.alpha = options.alpha}});
    case Policy::binomial:
      return f(reprise::Binomial{});
    case Policy::optimal:
      return f(reprise::OptimalChain{});
    case Policy::dtr:
      return f(reprise::Online{reprise::Dtr{}, std::string(name_of(policy))});
    case Policy::dtr_eq:
      return f(reprise::Online{reprise::DtrEqClass{}, std::string(name_of(policy))});
    case Policy::min_cut:
      return f(reprise::MinCut{});
    case Policy::search:
      return f(reprise::LocalSearch{
          {.seconds = options.plan_seconds, .threads = static_cast<unsigned>(options.threads)}});
    case Policy::balanced:
      return f(reprise::Balanced{});
    case Policy::store_all:
      break;
  }
  return f(reprise::StoreAll{});
}

}  // namespace gpt
