// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Results for people and for programs.

#include <string>
#include <vector>

#include "options.hpp"
#include "result.hpp"

namespace gpt {

/// Prints one table with a line for each result.
void print_table(const std::vector<Result>& results, reprise::byte_count budget);

/// Writes an array with an object for each result.
/// @throws reprise::Error if the file cannot be written.
void write_json(const std::string& path, const std::vector<Result>& results,
                const Options& options);

/// Draws the measured time of a step, over that of the first result, against the peak of each
/// policy; results of one policy are joined by a line.
/// @throws reprise::Error if the file cannot be written.
void write_pareto(const std::string& path, const std::vector<Result>& results);

}  // namespace gpt
