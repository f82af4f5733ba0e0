// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "policy.hpp"

#include <algorithm>
#include <reprise/core/unknown_name.hpp>
#include <reprise/eviction/eviction_policy_by_name.hpp>

namespace gpt {

std::string policy_list() { return reprise::UnknownName::listed(policy_names); }

std::string_view policy_named(std::string_view name) {
  const auto found = std::ranges::find(policy_names, name);
  if (found != policy_names.end()) return *found;
  throw reprise::UnknownName("policy", name, policy_names, "--policy");
}

bool adapts_to_budget(std::string_view policy) {
  return reprise::planner_name(policy).adapts_to_budget;
}

bool is_online(std::string_view policy) { return reprise::is_eviction_policy_name(policy); }

reprise::AnyPlanner planner_of(std::string_view policy, const reprise::PlannerOptions& options) {
  return reprise::planner_by_name(policy, reprise::options_for(policy, options));
}

}  // namespace gpt
