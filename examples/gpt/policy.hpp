// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The policies that the demo compares, by their names on the command line.

#include <array>
#include <cstddef>
#include <reprise/eviction/dtr.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/planner/any_planner.hpp>
#include <reprise/planner/planner_by_name.hpp>
#include <string>
#include <string_view>

namespace gpt {

/// Who decides what is kept, in the order of a comparison: names of `reprise::planner_by_name`.
inline constexpr auto policy_names = std::to_array<std::string_view>(
    {"store-all", "recompute-all", "every-4", "sqrt", "gradient", "binomial", "optimal", "dtr",
     "dtr-eq", "min-cut", "search", "balanced"});

/// The same planner as `balanced`, over tensors in codes; only on the host.
struct CodePolicy {
  std::string_view name;
  std::size_t bits;
  bool is_uniform;  ///< all tensors, not as few as the budget asks for
};

/// Not among those that a comparison has without being asked.
inline constexpr auto code_policies = std::to_array<CodePolicy>({{"uniform-8", 8, true},
                                                                 {"uniform-4", 4, true},
                                                                 {"uniform-3", 3, true},
                                                                 {"uniform-2", 2, true},
                                                                 {"fewest-8", 8, false},
                                                                 {"fewest-4", 4, false},
                                                                 {"fewest-3", 3, false}});

/// The one of `code_policies` with a name; null for others, which keep tensors as they are.
[[nodiscard]] const CodePolicy* code_policy(std::string_view name);

/// Their names in a row, for people.
[[nodiscard]] std::string policy_list();

/// The one of `policy_names` and `code_policies` that is equal.
/// @param option that named it, for the message
/// @throws reprise::UnknownName if there is no such policy.
[[nodiscard]] std::string_view policy_named(std::string_view name,
                                            std::string_view option = "--policy");

/// True if the policy keeps less when the budget is small; the others have one shape.
[[nodiscard]] bool adapts_to_budget(std::string_view policy);

/// True if the policy decides operation by operation, without a plan.
[[nodiscard]] bool is_online(std::string_view policy);

/// The planner of a policy; of an online one: what it would do on a known program.
/// @param options those that this planner does not have are for others
[[nodiscard]] reprise::AnyPlanner planner_of(std::string_view policy,
                                             const reprise::PlannerOptions& options);

/// Calls `f` with an online policy itself. Training under each is compiled for each device, so that
/// the demo does not have all of `reprise::eviction_policy_names`.
template <class F>
auto with_online_policy(std::string_view policy, F&& f) {
  return policy == "dtr" ? f(reprise::Dtr{}) : f(reprise::DtrEqClass{});
}

}  // namespace gpt
