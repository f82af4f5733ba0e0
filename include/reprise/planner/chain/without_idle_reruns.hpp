// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Lists of runs without those that make nothing.

#include <algorithm>
#include <cstdint>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule_of_runs.hpp>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// The runs without those that make nothing: reruns of what has no outputs, or only such as stay.
/// Linear in the runs.
[[nodiscard]] inline RunList without_idle_reruns(const Program& program, RunList runs) {
  std::vector<std::uint8_t> has_run(program.operations().size(), 0);
  std::erase_if(runs, [&](operation_id op) {
    return std::exchange(has_run[op], 1) != 0 &&
           std::ranges::all_of(program.operations()[op].writes,
                               [&](value_id v) { return program.values()[v].stays; });
  });
  return runs;
}

}  // namespace reprise::inline v0
