// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Optimal checkpointing of chains whose layers differ.

#include <cstddef>
#include <cstdint>
#include <reprise/core/units.hpp>
#include <reprise/planner/decl.hpp>
#include <reprise/planner/planner.hpp>

namespace reprise::inline v0 {

/// The cheapest plan for a chain of layers that differ, of all *persistent* ones: whole layers run,
/// and what is stored stays until its backward. Costs, bytes of outputs and of what layers save,
/// and transients are each layer's own. Choose for any chain at any budget; a program that is none
/// needs a planner of operations.
///
/// Memory is counted in slots, rounded up, so that the real peak never passes the budget. Where
/// every size is a multiple of a slot the plan is optimal; otherwise it is for sizes a little
/// larger, so that deep chains want several slots a layer. Plans do not depend on the budget but by
/// what fits: tables are made for store-all's peak, a half of it, a quarter and so on, the one
/// above the budget and those below it that may hold a cheaper plan.
///
/// A table takes time cubic in the layers and linear in the slots, and 4 bytes for each pair of
/// layers and slot: 1,000 layers and 500 slots are 1 GiB.
/// Source: Beaumont, Eyraud-Dubois, Herrmann, Joly, Shilova, "Optimal checkpointing for
/// heterogeneous chains", arXiv:1911.13214.
struct OptimalChain {
  static constexpr bool ignores_statistics = true;  ///< a StaticPlanner

  std::uint32_t slots = 500;                           ///< at most, of a table
  std::size_t threads = 1;                             ///< to make a table with
  byte_count most_table_bytes = byte_count{4} << 30U;  ///< of a table

  /// @throws NotAChain if the program's layers are none; InvalidArgument for no slot or thread, or
  ///   a larger table than is allowed; BudgetInfeasible if no plan fits.
  [[nodiscard]] REPRISE_PLANNER_DECL Plan operator()(const PlanRequest& request) const;
};

static_assert(StaticPlanner<OptimalChain>);

}  // namespace reprise::inline v0

#ifndef REPRISE_SEPARATE_PLANNERS
#include <reprise/planner/impl/optimal_chain.ipp>
#endif
