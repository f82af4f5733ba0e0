// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What came out, as Markdown and as a picture.

#include <string>

#include "comparison.hpp"
#include "options.hpp"

namespace scale {

/// The published models by the formulas: what a layer and a first pipeline stage keep.
void print_formulas();

/// What each policy recomputes at each budget, in forward passes.
void print_recomputation(const Comparison& comparison);

/// What share that is of what DTR and static checkpointing recompute.
void print_hopes(const Comparison& comparison);

/// How long a plan takes to make.
void print_planning_times(const Comparison& comparison);

/// Overhead over peak memory, as SVG.
[[nodiscard]] std::string draw_pareto(const Comparison& comparison, const Options& options);

}  // namespace scale
