// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a policy's training came to.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/codec/exactness.hpp>
#include <string_view>
#include <vector>

namespace gpt {

/// A number that was measured many times.
struct Spread {
  double lower_quartile = 0;
  double median = 0;
  double upper_quartile = 0;
};

/// The quartiles of numbers; zeros of none.
[[nodiscard]] Spread spread_of(std::vector<double> numbers);

/// One line of the table.
struct Result {
  std::string_view policy = "store-all";
  std::uint64_t peak_activation_bytes = 0;  ///< counted by the allocator
  std::uint64_t predicted_peak_bytes = 0;
  std::uint64_t reserved_bytes = 0;             ///< with the allocator's pool
  std::optional<std::uint64_t> budget_bytes{};  ///< that this policy ran with
  bool is_within_budget = true;                 ///< of the run, whether or not it was told of it
  std::optional<std::uint64_t> device_peak_bytes{};  ///< of them, as a GPU's driver counts
  double recomputed_flops_per_step = 0;
  double forward_flops_per_step = 0;
  /// Of the last step, whose costs have settled, in the unit of `cost_is_flops`.
  double recomputed_cost = 0;
  double bound_cost = 0;        ///< that no exact plan recomputes for less than; 0: none is proven
  double store_all_cost = 0;    ///< forwards and backwards, had nothing been recomputed
  double decision_seconds = 0;  ///< that an online policy takes of a step, as its simulation did
  bool cost_is_flops = false;
  std::optional<double> plan_seconds{};  ///< of all steps, where plans are made
  double seconds_per_step = 0;           ///< the median, without the first steps, which measure
  std::vector<double> seconds{};         ///< of each step
  std::size_t settling = 0;              ///< steps at the beginning that measure and plan
  std::optional<Spread> overhead{};      ///< of a step over store-all's beside it
  std::optional<double> predicted_overhead{};  ///< of the same, by what nodes were measured to take
  std::vector<float> losses{};                 ///< of each step
  std::vector<double> recomputed_flops{};      ///< of each step
  float val_loss = 0;
  bool is_verified = false;  ///< the first step's gradients were compared with store-all's
  reprise::Exactness exactness = reprise::Exactness::exact;  ///< of gradients
  std::optional<bool> exact{};  ///< the same bits as store-all's; empty if that did not run
};

/// The steps at the beginning that are no measurement of a plan: in them what calls cost is
/// measured, and plans are made.
[[nodiscard]] inline std::size_t settling_steps(std::size_t steps, std::size_t cost_samples) {
  constexpr std::size_t warm_up_and_plans = 5;
  return std::min(steps / 2, cost_samples + warm_up_and_plans);
}

/// What a policy adds to a step of store-all, step by step: the two ran in turn.
void compare_seconds(Result& result, const Result& store_all);

/// True if both saw the same losses, to the bit.
[[nodiscard]] inline bool have_equal_losses(const Result& a, const Result& b) {
  return a.losses == b.losses && a.val_loss == b.val_loss;
}

}  // namespace gpt
