// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "result.hpp"

#include <algorithm>
#include <utility>

namespace gpt {

Spread spread_of(std::vector<double> numbers) {
  if (numbers.empty()) return {};
  std::ranges::sort(numbers);
  const auto at = [&](std::size_t quarter) { return numbers[(numbers.size() - 1) * quarter / 4]; };
  return {.lower_quartile = at(1), .median = at(2), .upper_quartile = at(3)};
}

void compare_seconds(Result& result, const Result& store_all) {
  std::vector<double> ratios;
  const std::size_t steps = std::min(result.seconds.size(), store_all.seconds.size());
  for (std::size_t i = result.settling; i < steps; ++i) {
    ratios.push_back(result.seconds[i] / store_all.seconds[i]);
  }
  result.overhead = spread_of(std::move(ratios));
  if (result.cost_is_flops) return;
  // Nodes take less time where less memory is in use, so those of each plan have times of their
  // own; the loss and the optimiser are the same for all.
  const double predicted = result.store_all_cost + result.recomputed_cost + result.decision_seconds;
  result.predicted_overhead =
      1 + (predicted - store_all.store_all_cost) / store_all.seconds_per_step;
}

}  // namespace gpt
