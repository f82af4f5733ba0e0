// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Static checkpointing.

#include <cstddef>
#include <reprise/core/error.hpp>
#include <reprise/planner/candidate_search.hpp>
#include <reprise/planner/planner.hpp>
#include <string>
#include <string_view>

namespace reprise::inline v0 {

/// The keep set of static checkpointing: the outputs of every n-th layer, and all that lies after
/// the last of them, since it would be remade at once.
[[nodiscard]] inline KeepSet keep_every_nth(const Program& program, const LayerValues& layers,
                                            std::size_t n) {
  KeepSet set(program.values().size(), 0);
  const std::size_t count = layers.layer_count();
  const std::size_t last_group = count == 0 ? 0 : (count - 1) / n * n;
  for (std::size_t layer = 0; layer < count; ++layer) {
    if (layer >= last_group) {
      mark(set, layers.inside(layer), true);
      mark(set, layers.between(layer), true);
    } else if ((layer + 1) % n == 0) {
      mark(set, layers.between(layer), true);
    }
  }
  return set;
}

/// Static checkpointing: every n-th layer's output is kept, everything between is recomputed,
/// except what lies after the last kept output. Choose as the baseline that most frameworks offer.
/// Source: Chen, Xu, Zhang, Guestrin, "Training deep nets with sublinear memory cost",
/// arXiv:1604.06174.
struct EveryNth {
  static constexpr bool ignores_statistics = true;  ///< a StaticPlanner

  std::size_t n = 4;  ///< layers a group, at least 1

  /// @throws InvalidArgument if n is 0; BudgetInfeasible if the plan passes the budget.
  [[nodiscard]] Plan operator()(const PlanRequest& request) const {
    if (n == 0) throw InvalidArgument("EveryNth needs groups of at least 1 layer, not 0");
    return plan(request, n, "every-" + std::to_string(n));
  }

  /// The plan for groups of n layers under a name of its own in messages.
  [[nodiscard]] static Plan plan(const PlanRequest& request, std::size_t n, std::string_view name) {
    const LayerValues layers(request.program);
    CandidateSearch search(request, layers, name);
    search.consider(keep_every_nth(request.program, layers, n));
    return search.take();
  }
};

static_assert(StaticPlanner<EveryNth>);

}  // namespace reprise::inline v0
