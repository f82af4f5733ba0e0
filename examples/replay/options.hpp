// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What the user asked for.

#include <optional>
#include <reprise/core/units.hpp>
#include <string>

#include "budget.hpp"
#include "policy.hpp"

namespace replay {

/// The command line's options with their defaults.
struct Options {
  std::string program;
  const Policy* policy = nullptr;  ///< none where all are swept
  Budget budget{};
  std::optional<reprise::byte_count>
      baseline{};  ///< what ratios refer to, if not the program's own
  PolicySettings settings{};
  bool wants_exact_bound = false;
  double bound_seconds = 30;  ///< that a solver may take
  bool sweep = false;
  std::string json;
  std::string timeline;
  std::string pareto;  ///< of a sweep
};

/// Reads the command line; prints the help and returns nothing if that was asked for.
/// @throws std::exception with one line for people if something is wrong with it.
[[nodiscard]] std::optional<Options> parse_options(int argc, const char* const* argv);

/// The program's name without folders and endings: "resnet32".
[[nodiscard]] std::string short_name(const std::string& program);

}  // namespace replay
