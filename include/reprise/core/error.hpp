// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The typed errors of the library. Each message carries the numbers that led to it.

#include <cstdint>
#include <stdexcept>
#include <string>

namespace reprise::inline v0 {

/// Base of every exception that Reprise throws itself; an engine's own exceptions pass unchanged.
class Error : public std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// An argument outside the range that the called function documents.
class InvalidArgument : public Error {
  using Error::Error;
};

/// A layer graph or program that breaks a rule of its construction (a cycle, a consumed value that
/// something else reads, an unknown input).
class InvalidGraph : public Error {
  using Error::Error;
};

/// A program that is no chain of layers, for a planner that plans chains only. The message names
/// the first layer or value that breaks the chain.
class NotAChain : public Error {
  using Error::Error;
};

/// A schedule with an action that has no meaning where it stands: a read that is absent, a drop of
/// what is not there, a rerun that makes nothing new. The message names the action.
class InvalidSchedule : public Error {
  using Error::Error;
};

/// A call out of order: `backward` without a pass, `end_step` without `begin_step`.
class InvalidState : public Error {
  using Error::Error;
};

/// A tensor that is larger than the profile said, where the plan or the budget has no room for it.
/// The pass is over; the next forward measures anew and plans for the most that was seen.
class ProfileMismatch : public Error {
  using Error::Error;
};

/// Two tensors share memory where each must own its own: a saved state that holds its node's input
/// or output (declare `Reads` instead), a returned gradient that aliases another.
class SharedStorage : public Error {
  using Error::Error;
};

/// A recomputed value, or a gradient of a verified step, differs from the original.
class ReplayMismatch : public Error {
  using Error::Error;
};

/// Saved state (tracker, schedule, plan) that is truncated, corrupted, of an unknown version or
/// from another model.
class CorruptState : public Error {
  using Error::Error;
};

/// A budget that a planner cannot meet, refused before training.
class BudgetInfeasible : public Error {
 public:
  /// @param message       one line for people, which holds the three numbers
  /// @param budget_bytes  the budget that was asked for
  /// @param smallest_budget the smallest budget that this planner meets, as far as it looked
  /// @param lower_bound_bytes   no plan of any planner needs less than this
  BudgetInfeasible(const std::string& message, std::uint64_t budget_bytes,
                   std::uint64_t smallest_budget, std::uint64_t lower_bound_bytes)
      : Error(message),
        budget_bytes_(budget_bytes),
        smallest_budget_(smallest_budget),
        lower_bound_bytes_(lower_bound_bytes) {}

  /// The budget that was asked for, in bytes.
  [[nodiscard]] std::uint64_t budget_bytes() const noexcept { return budget_bytes_; }
  /// The smallest budget that this planner meets, in bytes; planning with it succeeds. Where that
  /// is what the planner found by searching, the message says how hard it looked: a search by time
  /// meets it in the same time only on a machine as fast, and an online policy may meet one of the
  /// budgets in between that it did not try.
  [[nodiscard]] std::uint64_t smallest_budget() const noexcept { return smallest_budget_; }
  /// A lower bound for every planner, in bytes.
  [[nodiscard]] std::uint64_t lower_bound_bytes() const noexcept { return lower_bound_bytes_; }

 private:
  std::uint64_t budget_bytes_;
  std::uint64_t smallest_budget_;
  std::uint64_t lower_bound_bytes_;
};

/// An action that would take the store past its budget; nothing has been run.
class BudgetExceeded : public Error {
 public:
  /// @param message      one line for people, which holds both numbers
  /// @param budget_bytes the store's budget
  /// @param needed_bytes what would have been live while the action runs
  BudgetExceeded(const std::string& message, std::uint64_t budget_bytes, std::uint64_t needed_bytes)
      : Error(message), budget_bytes_(budget_bytes), needed_bytes_(needed_bytes) {}

  /// The store's budget, in bytes.
  [[nodiscard]] std::uint64_t budget_bytes() const noexcept { return budget_bytes_; }
  /// The bytes that the refused action needed in all.
  [[nodiscard]] std::uint64_t needed_bytes() const noexcept { return needed_bytes_; }

 private:
  std::uint64_t budget_bytes_;
  std::uint64_t needed_bytes_;
};

}  // namespace reprise::inline v0
