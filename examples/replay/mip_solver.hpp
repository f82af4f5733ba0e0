// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The solver of mixed integer programmes that was there when this was configured, as a program of
/// its own.

#include <string>
#include <string_view>

namespace replay {

/// "HiGHS", "CBC" or "GLPK"; empty if there was none.
[[nodiscard]] std::string_view solver_name();

/// The best proof, found in that time, of what no solution of a minimisation is below: its optimum
/// where the time suffices, infinity if there is no solution.
/// @param programme in the LP format; its objective is called "cost"
/// @throws reprise::Error if there is no solver, or it proves nothing.
[[nodiscard]] double solve_lower_bound(const std::string& programme, double seconds);

}  // namespace replay
