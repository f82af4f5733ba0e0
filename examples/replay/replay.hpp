// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// One program under one policy and budget.

#include <optional>
#include <reprise/core/units.hpp>
#include <string>

#include "budget.hpp"
#include "policy.hpp"
#include "recorded_program.hpp"

namespace replay {

/// A program with what everything is measured by.
struct Subject {
  std::string name;
  RecordedProgram recorded;
  reprise::byte_count baseline_bytes;  ///< what ratios refer to
  double model_compute;
};

/// A replay and what it was asked for.
struct Replay {
  const Policy* policy;
  Budget budget;
  reprise::byte_count budget_bytes;
  Outcome outcome;
  double seconds;  ///< that the replay itself took

  [[nodiscard]] bool passed() const noexcept { return outcome.result == Result::pass; }
};

/// Replays a program; a budget that cannot be met is an outcome too. It thrashes when it recomputes
/// more than the program's own compute.
[[nodiscard]] Replay replay(const Subject& subject, const Policy& policy, const Budget& budget,
                            const PolicySettings& settings);

/// The time with that recomputation divided by the time without.
[[nodiscard]] double overhead(const Subject& subject, double recomputed_cost);

/// By how much its recomputation may be above what it could be, as a share of the lower bound; none
/// where there is no such bound, or one of 0.
[[nodiscard]] std::optional<double> gap(const Replay& replay);

}  // namespace replay
