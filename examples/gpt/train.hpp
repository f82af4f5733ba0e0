// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Training with one policy, from the first step to the last.

#include <reprise/core/units.hpp>

#include "corpus.hpp"
#include "options.hpp"
#include "result.hpp"

namespace gpt {

/// What store-all needs for the options' model, without training.
[[nodiscard]] reprise::byte_count store_all_peak(const Options& options, const Corpus& corpus);

/// The peak that the policy foretells within the budget before it has statistics.
/// @throws reprise::BudgetInfeasible if it cannot meet the budget.
reprise::byte_count check_feasible(const Options& options, const Corpus& corpus, Policy policy,
                                   reprise::byte_count budget);

/// Trains, resuming and saving as the options say.
/// @param budget  what the policy must keep
/// @throws reprise::BudgetInfeasible if it cannot; reprise::CorruptState for a bad checkpoint.
[[nodiscard]] Result train(const Options& options, const Corpus& corpus, Policy policy,
                           reprise::byte_count budget);

}  // namespace gpt
