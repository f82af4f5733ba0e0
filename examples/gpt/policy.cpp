// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "policy.hpp"

#include <algorithm>
#include <reprise/core/unknown_name.hpp>
#include <reprise/eviction/eviction_policy_by_name.hpp>
#include <string_view>
#include <vector>

namespace gpt {

namespace {

std::vector<std::string_view> all_names() {
  std::vector<std::string_view> names(policy_names.begin(), policy_names.end());
  for (const CodePolicy& policy : code_policies) names.push_back(policy.name);
  return names;
}

// Who plans for what is kept in codes.
std::string_view planner_for(std::string_view policy) {
  return code_policy(policy) != nullptr ? "balanced" : policy;
}

}  // namespace

const CodePolicy* code_policy(std::string_view name) {
  const auto* const found = std::ranges::find(code_policies, name, &CodePolicy::name);
  return found != code_policies.end() ? found : nullptr;
}

std::string policy_list() { return reprise::UnknownName::listed(all_names()); }

std::string_view policy_named(std::string_view name, std::string_view option) {
  const std::vector<std::string_view> names = all_names();
  const auto found = std::ranges::find(names, name);
  if (found != names.end()) return *found;
  throw reprise::UnknownName("policy", name, names, option);
}

bool adapts_to_budget(std::string_view policy) {
  return reprise::planner_name(planner_for(policy)).adapts_to_budget;
}

bool is_online(std::string_view policy) { return reprise::is_eviction_policy_name(policy); }

reprise::AnyPlanner planner_of(std::string_view policy, const reprise::PlannerOptions& options) {
  const std::string_view planner = planner_for(policy);
  return reprise::planner_by_name(planner, reprise::options_for(planner, options));
}

}  // namespace gpt
