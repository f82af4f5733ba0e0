// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// All policies at the same budgets.

#include <optional>
#include <reprise/core/units.hpp>
#include <string>
#include <vector>

#include "options.hpp"
#include "policy.hpp"

namespace scale {

/// A budget, and where it comes from.
struct Budget {
  std::string name{};  ///< a fixed policy whose peak it is, or empty
  reprise::byte_count bytes = 0;
};

/// What one policy makes of each budget.
struct Row {
  std::string name{};
  Family family = Family::fixed;
  std::vector<std::optional<Outcome>> outcomes{};
  double seconds = 0;  ///< of planning, a budget
};

/// What came out.
struct Comparison {
  double forward_cost = 0;
  double model_cost = 0;          ///< forward and backward
  reprise::byte_count most = 0;   ///< the peak of keeping everything
  reprise::byte_count least = 0;  ///< no plan of any policy needs less
  std::vector<Budget> budgets{};  ///< falling
  std::vector<Row> rows{};
};

/// Plans at every step of the budget and at the peak of each fixed policy. Shows how far it is on
/// a terminal.
[[nodiscard]] Comparison compare(const TransformerProgram& model, const Options& options);

}  // namespace scale
