// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a scheduler of plans is.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <reprise/core/units.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/program/program.hpp>
#include <span>
#include <type_traits>

namespace reprise::inline v0 {

/// Makes plans, as `CheckpointScheduler` does.
template <class S>
concept PlanScheduler = requires(S& scheduler, std::uint64_t number, const Program& program,
                                 std::size_t passes, std::span<const double> statistics) {
  scheduler.begin_step(statistics, number);
  {
    scheduler.plan(number, program, byte_count{}, passes)
    } -> std::same_as<std::shared_ptr<const Plan>>;
  scheduler.forget(number);
};

/// A PlanScheduler whose plans need no statistics: `static constexpr bool reads_statistics` is
/// false.
template <class S>
concept StatisticsFreeScheduler =
    PlanScheduler<S> && std::bool_constant<!S::reads_statistics>::value;

}  // namespace reprise::inline v0
