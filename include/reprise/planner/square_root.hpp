// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Static checkpointing with the square root of the layers a group.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <reprise/planner/every_nth.hpp>
#include <reprise/planner/planner.hpp>

namespace reprise::inline v0 {

/// `EveryNth` with n the rounded square root of the number of layers: memory grows with the square
/// root of depth for uniform layers, at one more forward.
/// Source: Chen et al., arXiv:1604.06174, section 4.1.
struct SquareRoot {
  static constexpr bool ignores_statistics = true;  ///< a StaticPlanner
  /// @throws BudgetInfeasible if the plan passes the budget.
  [[nodiscard]] Plan operator()(const PlanRequest& request) const {
    const auto layers = static_cast<double>(request.program.layer_count());
    const auto n = static_cast<std::size_t>(std::lround(std::sqrt(layers)));
    return EveryNth::plan(request, std::max<std::size_t>(n, 1), "sqrt");
  }
};

static_assert(StaticPlanner<SquareRoot>);

}  // namespace reprise::inline v0
