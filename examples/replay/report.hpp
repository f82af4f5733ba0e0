// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Replays for people and for programs.

#include <span>
#include <string>

#include "replay.hpp"

namespace replay {

/// Prints what the program is.
void print_subject(const Subject& subject);

/// Prints one replay, a fact a line.
void print_replay(const Subject& subject, const Replay& replay);

/// Prints the overheads of a sweep, a line for each policy and a column for each ratio.
void print_table(const Subject& subject, std::span<const Replay> replays);

/// One JSON object.
[[nodiscard]] std::string to_json(const Subject& subject, const Replay& replay);
/// A list of them.
[[nodiscard]] std::string to_json(const Subject& subject, std::span<const Replay> replays);

/// Live bytes over time, as SVG.
[[nodiscard]] std::string draw_timeline(const Subject& subject, const Replay& replay);

/// Overhead over memory of all replays that passed, as SVG.
[[nodiscard]] std::string draw_pareto(const Subject& subject, std::span<const Replay> replays);

}  // namespace replay
