// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The concept of a planner.

#include <concepts>
#include <cstdint>
#include <reprise/planner/plan.hpp>
#include <type_traits>
#include <vector>

namespace reprise::inline v0 {

/// A callable from a request to a plan.
///
/// Semantics: deterministic; the plan's schedule is valid for the request's program and its peak is
/// within the budget; a larger budget never costs more recomputation.
/// Throws `BudgetInfeasible` where it cannot, with the smallest budget that this planner meets and
/// a lower bound for every planner, and InvalidArgument for what `check_request` refuses.
template <class P>
concept Planner = std::movable<P> && requires(P& planner, const PlanRequest& request) {
  { planner(request) } -> std::same_as<Plan>;
};

/// A planner whose plan for a program, a budget and overrides is the same whatever the statistics
/// and the step: it declares `static constexpr bool ignores_statistics = true`. A scheduler asks it
/// once for each shape, and training never waits for statistics on its account.
template <class P>
concept StaticPlanner = Planner<P> && std::bool_constant<P::ignores_statistics>::value;

/// A planner that never looks at the request's statistics: a StaticPlanner, or one that declares
/// `static constexpr bool reads_statistics = false`. Training under it takes no tracker.
template <class P>
concept StatisticsFreePlanner = StaticPlanner<P> ||
    (Planner<P>&& std::bool_constant<!P::reads_statistics>::value);

/// Whether the plans of this planner never depend on statistics. Known from the type of a
/// StaticPlanner; a planner that wraps one of several types answers `ignores_statistics()`.
template <Planner P>
[[nodiscard]] constexpr bool ignores_statistics(const P& planner) {
  if constexpr (requires {
                  { planner.ignores_statistics() } -> std::same_as<bool>;
                }) {
    return planner.ignores_statistics();
  } else {
    return StaticPlanner<P>;
  }
}

/// A planner whose earlier plans matter: `state()` is a copy of what it remembers, `restore(state)`
/// takes it up again, so that training resumes with the same decisions.
///
/// Semantics: asked again for the request that it answered last, it gives the same plan. `restore`
/// throws CorruptState for what `state()` cannot have given, and then changes nothing.
template <class P>
concept StatefulPlanner = Planner<P> &&
    requires(P& planner, const P& constant, const std::vector<std::uint64_t>& state) {
  { constant.state() } -> std::same_as<std::vector<std::uint64_t>>;
  planner.restore(state);
};

/// A planner with a `state` or a `restore`, of whatever signature.
template <class P>
concept NamesPlannerState = requires(P& planner) {
  planner.state();
}
|| requires(P& planner, const std::vector<std::uint64_t>& state) { planner.restore(state); };

}  // namespace reprise::inline v0
