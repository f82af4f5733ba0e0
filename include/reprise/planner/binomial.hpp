// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Optimal checkpointing of uniform chains.

#include <cstddef>
#include <optional>
#include <reprise/planner/decl.hpp>
#include <reprise/planner/planner.hpp>

namespace reprise::inline v0 {

/// Binomial checkpointing: reverses a chain of layers with so many of their inputs stored at once,
/// and never keeps what a layer saved but for the one that goes backward next. Of all such plans it
/// runs the fewest forwards if layers are alike. Choose for very deep uniform chains at very small
/// budgets; where what layers saved may be kept, or layers differ, `OptimalChain` is better.
///
/// Under a budget it takes the cheapest plan that fits, of all numbers of checkpoints up to 64 and
/// some above. A layer that must be saved is kept besides them.
/// Source: Griewank, Walther, "Algorithm 799: Revolve", ACM Transactions on Mathematical Software
/// 26 (2000).
struct Binomial {
  static constexpr bool ignores_statistics = true;  ///< a StaticPlanner

  /// Inputs of layers stored at once, the chain's own among them; as many as the budget allows if
  /// it is not given.
  std::optional<std::size_t> checkpoints{};

  /// @throws NotAChain if the program's layers are none; InvalidArgument for no checkpoint;
  ///   BudgetInfeasible if no plan fits.
  [[nodiscard]] REPRISE_PLANNER_DECL Plan operator()(const PlanRequest& request) const;
};

static_assert(StaticPlanner<Binomial>);

}  // namespace reprise::inline v0

#ifndef REPRISE_SEPARATE_PLANNERS
#include <reprise/planner/impl/binomial.ipp>
#endif
