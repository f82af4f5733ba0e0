// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Training on one device, from the first step to the last.

#include <memory>
#include <reprise/core/units.hpp>
#include <string>
#include <string_view>

#include "corpus.hpp"
#include "options.hpp"
#include "result.hpp"

namespace gpt {

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

  /// Trains, resuming and saving as the options say.
  /// @param budget  what the policy must keep
  /// @throws reprise::BudgetInfeasible if it cannot; reprise::CorruptState for a bad checkpoint.
  [[nodiscard]] virtual Result train(const Options& options, const Corpus& corpus,
                                     std::string_view policy, reprise::byte_count budget) const = 0;
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
