// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How long and on how many threads an experiment searches, from its command line.

#include <CLI/CLI.hpp>
#include <reprise/planner/local_search.hpp>

#include "number_between.hpp"

namespace example {

/// Adds "[SECONDS [THREADS]]" to a command line.
inline void add_effort_options(CLI::App& app, reprise::SearchEffort& effort) {
  app.add_option("SECONDS", effort.seconds, "How long a search may take")
      ->check(NumberBetween{0.0, 86400.0});
  app.add_option("THREADS", effort.threads, "That it runs on")->check(NumberBetween{1, 1024});
}

}  // namespace example
