// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// One budget that several stores share.

#include <algorithm>
#include <memory>
#include <optional>
#include <reprise/core/byte_sum.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <string>

namespace reprise::inline v0 {

/// Bytes that the stores of one engine hold together, against a hard cap.
class MemoryAccount {
 public:
  /// Nothing is live.
  explicit MemoryAccount(byte_count budget = unlimited_bytes) noexcept : budget_(budget) {}

  /// The cap, which does not change.
  [[nodiscard]] byte_count budget_bytes() const noexcept { return budget_; }
  /// Held now by all stores together, between actions.
  [[nodiscard]] byte_count live_bytes() const noexcept { return live_; }
  /// The most that was live, inside actions too, since the last `reset_peak`.
  [[nodiscard]] byte_count peak_bytes() const noexcept { return peak_; }
  /// Forgets the peak: it is what is live now.
  void reset_peak() noexcept { peak_ = live_; }

  /// Notes that a store which holds `own` bytes will hold `during` while it acts.
  /// @throws BudgetExceeded if that passes the budget, or 2^64 - 1 where there is none; nothing
  ///   changes then.
  void expect(byte_count own, byte_count during) {
    const std::optional<byte_count> needed = byte_sum(live_ - own, during);
    if (!needed || *needed > budget_) refuse(own, during);
    peak_ = std::max(peak_, *needed);
  }

  /// Replaces what a store holds.
  void settle(byte_count before, byte_count after) noexcept { live_ = live_ - before + after; }

 private:
  [[noreturn]] void refuse(byte_count own, byte_count during) const {
    const std::optional<byte_count> needed = byte_sum(live_ - own, during);
    const std::string bytes = needed
                                  ? std::to_string(*needed) + " bytes"
                                  : std::to_string(live_ - own) + " and " + std::to_string(during) +
                                        " bytes (more than 64 bits count)";
    const std::string others =
        live_ == own ? "" : ", of which others hold " + std::to_string(live_ - own);
    throw BudgetExceeded(
        "an action needs " + bytes + " of a budget of " + std::to_string(budget_) + others, budget_,
        needed.value_or(unlimited_bytes));
  }

  byte_count budget_;
  byte_count live_ = 0;
  byte_count peak_ = 0;
};

/// The account that a store is given.
/// @throws InvalidArgument if it is none.
[[nodiscard]] inline std::shared_ptr<MemoryAccount> account_of_store(
    std::shared_ptr<MemoryAccount> account) {
  if (!account) throw InvalidArgument("a store without a memory account");
  return account;
}

}  // namespace reprise::inline v0
