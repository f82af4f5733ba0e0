// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The concept of a planner.

#include <concepts>
#include <reprise/planner/plan.hpp>

namespace reprise::inline v0 {

/// A callable from a request to a plan.
///
/// Semantics: deterministic; the plan's schedule is valid for the request's program and its peak is
/// within the budget; a larger budget never costs more recomputation.
/// Throws `BudgetInfeasible` where it cannot, with the smallest budget that this planner meets and
/// a lower bound for every planner.
template <class P>
concept Planner = std::movable<P> && requires(P& planner, const PlanRequest& request) {
  { planner(request) } -> std::same_as<Plan>;
};

}  // namespace reprise::inline v0
