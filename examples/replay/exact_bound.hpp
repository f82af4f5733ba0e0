// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What no exact plan recomputes for less, by a solver of integer programmes.

#include <reprise/core/units.hpp>
#include <reprise/program/program.hpp>

namespace replay {

/// The optimum of the one-instant programme (`reprise::staged::InstantProgramme`) at the instant
/// where most is live, which is that of `reprise::MinCut`: no exact plan within the budget
/// recomputes for less. Infinity if it shows that none fits; where the time is over, the best that
/// is proven.
/// @param seconds that the solver may take
/// @throws reprise::Error if there is no solver, see `solver_name`, or it proves nothing.
[[nodiscard]] double exact_bound(const reprise::Program& program, reprise::byte_count budget,
                                 double seconds);

}  // namespace replay
