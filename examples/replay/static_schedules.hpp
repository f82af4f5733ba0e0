// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What is fixed before a budget is known: keeping everything, and checkpoints by a rule.

#include <cstddef>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>

namespace replay {

/// Keeps each value until the program itself is done with it.
[[nodiscard]] reprise::Schedule keep_everything(const reprise::Program& program);

/// How many operations the forward pass of a recorded program has, which does not say so: those up
/// to the one where most is live.
[[nodiscard]] std::size_t forward_length(const reprise::Program& program);

/// Static checkpointing: the forward pass in groups of so many operations. What crosses from one
/// group to the next stays, with the results and what the last group makes; the rest of a group is
/// recomputed when something after the forward pass first needs it, and stays to its last reader.
/// @param every operations a group, at least 1
[[nodiscard]] reprise::Schedule checkpoint_groups(const reprise::Program& program,
                                                  std::size_t every);

/// The size of the groups whose number is about their size.
[[nodiscard]] std::size_t square_root_group(const reprise::Program& program);

}  // namespace replay
