// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a policy's training came to.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace gpt {

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
  double bound_flops_per_step = 0;  ///< that no exact plan recomputes less than; 0: none is proven
  std::optional<double> plan_seconds{};    ///< of all steps, where plans are made
  double seconds_per_step = 0;             ///< the median, without the first step, which measures
  std::vector<float> losses{};             ///< of each step
  std::vector<double> recomputed_flops{};  ///< of each step
  float val_loss = 0;
  bool is_verified = false;     ///< the first step's gradients were compared with store-all's
  std::optional<bool> exact{};  ///< the same bits as store-all's; empty if that did not run
};

/// True if both saw the same losses, to the bit.
[[nodiscard]] inline bool have_equal_losses(const Result& a, const Result& b) {
  return a.losses == b.losses && a.val_loss == b.val_loss;
}

}  // namespace gpt
