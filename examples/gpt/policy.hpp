// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The policies that the demo compares, by their names on the command line.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <reprise/core/error.hpp>
#include <reprise/eviction/dtr.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/planner/any_planner.hpp>
#include <reprise/planner/online.hpp>
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
  double alpha = 1;              ///< of gradient
  double plan_seconds = 1;       ///< of search
  std::uint64_t plan_tries = 0;  ///< if not 0: of search and balanced, instead of any time
  int threads = 1;               ///< of search
};

/// The planner of a policy that plans.
[[nodiscard]] reprise::AnyPlanner planner_of(Policy policy, const PlannerOptions& options);

/// Calls `f` with the policy's planner; of an online policy: what it would do on a known program.
template <class F>
auto with_planner(Policy policy, const PlannerOptions& options, F&& f) {
  if (policy == Policy::dtr) {
    return f(reprise::Online{reprise::Dtr{}, std::string(name_of(policy))});
  }
  if (policy == Policy::dtr_eq) {
    return f(reprise::Online{reprise::DtrEqClass{}, std::string(name_of(policy))});
  }
  return f(planner_of(policy, options));
}

}  // namespace gpt
