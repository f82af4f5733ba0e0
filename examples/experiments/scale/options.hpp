// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What the user asked for.

#include <optional>
#include <reprise/planner/local_search.hpp>
#include <string>

#include "transformer_program.hpp"

namespace scale {

/// The command line's options with their defaults.
struct Options {
  Transformer model{};
  CostUnit unit = CostUnit::flops;
  unsigned step = 5;  ///< between budgets, in per cent of what keeping everything takes
  reprise::SearchEffort effort{};
  std::string pareto;  ///< where to draw overhead over memory, or empty
};

/// Reads the command line; prints the help and returns nothing if that was asked for.
/// @throws std::exception with one line for people if something is wrong with it.
[[nodiscard]] std::optional<Options> parse_options(int argc, const char* const* argv);

}  // namespace scale
