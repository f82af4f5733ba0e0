// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "replay.hpp"

#include <chrono>
#include <utility>

namespace replay {

Replay replay(const Subject& subject, const Policy& policy, const Budget& budget) {
  const reprise::byte_count bytes = budget.resolve(subject.baseline_bytes);
  const auto start = std::chrono::steady_clock::now();
  Outcome outcome = policy.replay(subject.recorded.program, bytes, subject.model_compute);
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  return {.policy = &policy,
          .budget = budget,
          .budget_bytes = bytes,
          .outcome = std::move(outcome),
          .seconds = time.count()};
}

double overhead(const Subject& subject, const Replay& replay) {
  if (replay.outcome.recomputed_cost == 0) return 1;
  return (subject.model_compute + replay.outcome.recomputed_cost) / subject.model_compute;
}

}  // namespace replay
