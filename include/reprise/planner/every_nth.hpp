// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Static checkpointing.

#include <cstddef>
#include <reprise/planner/decl.hpp>
#include <reprise/planner/layer_values.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <string_view>

namespace reprise::inline v0 {

/// The saved set of static checkpointing: the outputs of every n-th layer, and all that lies after
/// the last of them, since it would be recomputed at once.
[[nodiscard]] REPRISE_PLANNER_DECL SavedSet keep_every_nth(const Program& program,
                                                           const LayerValues& layers,
                                                           std::size_t n);

/// The saved set of static checkpointing where layers do not divide the program: groups of so many
/// forward operations take their place. What one group hands to another is kept, and all that lies
/// in the last group.
[[nodiscard]] REPRISE_PLANNER_DECL SavedSet keep_between_groups(const Program& program,
                                                                std::size_t size);

/// Static checkpointing: every n-th layer's output is kept, everything between is recomputed,
/// except what lies after the last kept output. Choose as the baseline that most frameworks offer.
///
/// Where all operations are of one layer, n of them are a group. Where each node is a layer of its
/// own and leaves nothing to recompute in groups of one, a group is the root of the number of
/// operations. A program of no more than n layers, if more than one, is one group: all is kept.
/// Source: Chen, Xu, Zhang, Guestrin, "Training deep nets with sublinear memory cost",
/// arXiv:1604.06174.
struct EveryNth {
  static constexpr bool ignores_statistics = true;  ///< a StaticPlanner

  std::size_t n = 4;  ///< layers a group, at least 1

  /// @throws InvalidArgument if n is 0; BudgetInfeasible if the plan passes the budget.
  [[nodiscard]] REPRISE_PLANNER_DECL Plan operator()(const PlanRequest& request) const;

  /// The plan for groups of n layers under a name of its own in messages.
  [[nodiscard]] REPRISE_PLANNER_DECL static Plan plan(const PlanRequest& request, std::size_t n,
                                                      std::string_view name);
};

static_assert(StaticPlanner<EveryNth>);

}  // namespace reprise::inline v0

#ifndef REPRISE_SEPARATE_PLANNERS
#include <reprise/planner/impl/every_nth.ipp>
#endif
