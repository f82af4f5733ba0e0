// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Training on one device, from the first step to the last.

#include <cstddef>
#include <memory>
#include <reprise/core/units.hpp>
#include <string>
#include <string_view>

#include "corpus.hpp"
#include "options.hpp"
#include "result.hpp"

namespace gpt {

/// A training under way.
class TrainingRun {
 public:
  TrainingRun() = default;
  TrainingRun(const TrainingRun&) = delete;
  TrainingRun& operator=(const TrainingRun&) = delete;
  virtual ~TrainingRun() = default;

  /// One step.
  /// @throws reprise::BudgetInfeasible if what decides cannot keep the budget; reprise::Error if
  /// the
  ///   loss is not finite.
  virtual void step() = 0;

  /// After the last step: validates, saves as the options say, and says what it came to.
  [[nodiscard]] virtual Result finish() = 0;
};

/// Trains on some device.
class Training {
 public:
  Training() = default;
  Training(const Training&) = delete;
  Training& operator=(const Training&) = delete;
  virtual ~Training() = default;

  /// What it trains on, for people.
  [[nodiscard]] virtual std::string device_name() const = 0;

  /// What store-all needs for the options' model, without training.
  [[nodiscard]] virtual reprise::byte_count store_all_peak(const Options& options,
                                                           const Corpus& corpus) const = 0;

  /// The peak that the policy foretells within the budget before it has statistics.
  /// @throws reprise::BudgetInfeasible if it cannot meet the budget.
  virtual reprise::byte_count check_feasible(const Options& options, const Corpus& corpus,
                                             std::string_view policy,
                                             reprise::byte_count budget) const = 0;

  /// Begins to train, or resumes as the options say. Borrows the options and the corpus.
  /// @param budget what the policy must keep
  /// @throws reprise::CorruptState for a bad checkpoint.
  [[nodiscard]] virtual std::unique_ptr<TrainingRun> begin(const Options& options,
                                                           const Corpus& corpus,
                                                           std::string_view policy,
                                                           reprise::byte_count budget) const = 0;

  /// Trains from the first step to the last.
  /// @throws what `begin` and a run's `step` throw.
  [[nodiscard]] Result train(const Options& options, const Corpus& corpus, std::string_view policy,
                             reprise::byte_count budget) const {
    const std::unique_ptr<TrainingRun> run = begin(options, corpus, policy, budget);
    for (std::size_t i = 0; i < options.steps; ++i) run->step();
    return run->finish();
  }
};

/// Training on the CPU, which has no tf32.
[[nodiscard]] std::unique_ptr<Training> training_on_cpu(Precision precision);
/// The same for tensors of 16 bits alone, which are compiled apart.
[[nodiscard]] std::unique_ptr<Training> training_on_cpu_in_bfloat16();

/// Training on the current CUDA device.
/// @throws reprise::Error if there is none, or this program was built without CUDA.
[[nodiscard]] std::unique_ptr<Training> training_on_cuda(Precision precision);
/// The same for tensors of 16 bits alone, where there is a device.
[[nodiscard]] std::unique_ptr<Training> training_on_cuda_in_bfloat16();

}  // namespace gpt
