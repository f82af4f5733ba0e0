// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The policies that are compared, and what each makes of a program within a budget.

#include <cstddef>
#include <functional>
#include <optional>
#include <reprise/core/units.hpp>
#include <reprise/planner/search_effort.hpp>
#include <string>
#include <vector>

#include "transformer_program.hpp"

namespace scale {

/// What a plan needs and costs, by `simulate`.
struct Outcome {
  reprise::byte_count peak_bytes = 0;
  double recomputed_cost = 0;  ///< in the program's unit
  double lower_bound_cost =
      0;  ///< no exact plan within the budget recomputes for less; 0: none known
};

/// What kind of decision a policy makes.
enum class Family : std::uint8_t {
  fixed,     ///< one plan, whatever the budget
  chain,     ///< optimal for a chain of layers
  online,    ///< evicts when memory runs out
  gradient,  ///< by a statistic of each layer's gradient
  cut,       ///< sees all operations
};

/// A way to decide what is recomputed.
struct Policy {
  std::string name;
  Family family = Family::fixed;
  /// Nothing if the budget is not met.
  std::function<std::optional<Outcome>(const TransformerProgram&, reprise::byte_count)> plan;
};

/// How the gradient rule's statistic is taken to vary from the first layer to the last.
struct GradientProfile {
  std::string name;
  std::vector<double> gradients;  ///< ĝ of each layer
};

/// No model of this size can be trained here, so the statistic is assumed: falling by a factor of
/// 10 from the first layer to the last, rising as much, and log-normal in any order, three times.
[[nodiscard]] std::vector<GradientProfile> gradient_profiles(std::size_t layers);

/// All policies for models of so many layers.
[[nodiscard]] std::vector<Policy> policies(std::size_t layers, const reprise::SearchEffort& effort);

}  // namespace scale
