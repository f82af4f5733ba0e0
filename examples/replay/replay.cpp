// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "replay.hpp"

#include <chrono>
#include <utility>

namespace replay {

Replay replay(const Subject& subject, const Policy& policy, const Budget& budget,
              const PolicySettings& settings) {
  const reprise::byte_count bytes = budget.resolve(subject.baseline_bytes);
  const auto start = std::chrono::steady_clock::now();
  Outcome outcome = policy.replay({.program = subject.recorded.program,
                                   .budget = bytes,
                                   .most_recomputed_cost = subject.model_compute,
                                   .settings = settings});
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  return {.policy = &policy,
          .budget = budget,
          .budget_bytes = bytes,
          .outcome = std::move(outcome),
          .seconds = time.count()};
}

double overhead(const Subject& subject, double recomputed_cost) {
  if (recomputed_cost == 0) return 1;
  return (subject.model_compute + recomputed_cost) / subject.model_compute;
}

std::optional<double> gap(const Replay& replay) {
  const std::optional<double> bound = replay.outcome.lower_bound;
  if (!replay.passed() || !bound) return std::nullopt;
  if (replay.outcome.recomputed_cost == 0) return 0.0;
  if (*bound == 0) return std::nullopt;
  return replay.outcome.recomputed_cost / *bound - 1;
}

}  // namespace replay
