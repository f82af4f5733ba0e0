// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Holds the values of one pass over a program under a budget.

#include <concepts>
#include <memory>
#include <optional>
#include <reprise/core/byte_sum.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/program/ledger.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <reprise/store/memory_account.hpp>
#include <reprise/store/sizes_only.hpp>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// Holds one payload for each value of a program, and the ledger that says which are present.
///
/// Each action is announced with `begin`, which refuses what the budget does not allow before
/// anything runs, and settled with `commit`. What the store still holds goes with it.
/// Whoever plays a schedule over nodes of their own holds the values in it; `Checkpointed` does so
/// over a layer graph. What evicts as room is needed is an `OperationStore`.
/// @tparam Payload what a value is; `SizesOnly` makes the store a simulator
template <std::default_initializable Payload = SizesOnly>
requires(std::movable<Payload>) class ProgramStore {
 public:
  /// @param program must outlive the store
  /// @param account the budget, shared with other stores
  ProgramStore(const Program& program, std::shared_ptr<MemoryAccount> account)
      : ledger_(program),
        account_(account_of_store(std::move(account))),
        payloads_(program.values().size()) {}

  ProgramStore(const ProgramStore&) = delete;
  ProgramStore& operator=(const ProgramStore&) = delete;
  ProgramStore(ProgramStore&&) = delete;
  ProgramStore& operator=(ProgramStore&&) = delete;
  ~ProgramStore() { account_->settle(ledger_.live_bytes(), 0); }

  /// Announces an action.
  /// @throws InvalidSchedule if it has no meaning now; BudgetExceeded if it does not fit. Nothing
  ///   changes then.
  void begin(const Action& action) {
    const byte_count during = ledger_.bytes_during(action);
    account_->expect(ledger_.live_bytes(), during);
    begun_ = action;
    during_ = during;
  }

  /// Settles the action that was announced last, once it is done; a dropped payload is destroyed
  /// here.
  /// @throws InvalidState if it was not announced.
  void commit(const Action& action) {
    if (begun_ != action) refuse_commit(action);
    begun_.reset();
    const byte_count before = ledger_.live_bytes();
    ledger_.apply(action, during_);
    if (action.kind == ActionKind::drop) payloads_[action.index] = Payload{};
    account_->settle(before, ledger_.live_bytes());
  }

  /// The bytes of a value that this pass makes, see `grow`.
  [[nodiscard]] byte_count bytes_of(value_id value) const noexcept {
    return ledger_.bytes().of(value);
  }
  /// Lets the run that was announced make more of a value than the program says, if the budget has
  /// room for it.
  /// @returns whether it has; if not, only the pass's end may follow
  /// @throws InvalidState if no run was announced; InvalidArgument for a value that is not there.
  [[nodiscard]] bool grow(value_id value, byte_count bytes) {
    check_runs();
    if (value >= payloads_.size()) {
      throw InvalidArgument("value " + std::to_string(value) + " of a program of " +
                            std::to_string(payloads_.size()) + " values cannot grow");
    }
    if (!byte_sum(during_, bytes)) return false;
    ledger_.bytes().grow(value, bytes);
    return expect_anew();
  }
  /// The same for what it takes beyond all that it makes.
  /// @throws InvalidState if no run was announced.
  [[nodiscard]] bool grow_transient(byte_count bytes) {
    check_runs();
    if (!byte_sum(during_, bytes)) return false;
    ledger_.bytes().grow_transient(begun_.value().index, bytes);
    return expect_anew();
  }
  /// Between actions: everything has at least the bytes that another program of the same operations
  /// says. Linear in it.
  void grow_to(const Program& larger) { ledger_.bytes().grow_to(larger); }

  /// True if the value has bytes now, or is given from the start.
  [[nodiscard]] bool is_present(value_id value) const noexcept { return ledger_.is_present(value); }
  /// True if the operation ran before.
  [[nodiscard]] bool has_run(operation_id op) const noexcept { return ledger_.has_run(op); }
  /// All that the store knows of its values, announced actions apart.
  [[nodiscard]] const Ledger& ledger() const noexcept { return ledger_; }

  /// The payload of a value: empty where it is absent.
  [[nodiscard]] Payload& at(value_id value) noexcept { return payloads_[value]; }
  [[nodiscard]] const Payload& at(value_id value) const noexcept { return payloads_[value]; }

 private:
  [[nodiscard]] bool expect_anew() {
    const byte_count during = ledger_.bytes_during(begun_.value());
    try {
      account_->expect(ledger_.live_bytes(), during);
    } catch (const BudgetExceeded&) {
      return false;
    }
    during_ = during;
    return true;
  }

  void check_runs() const {
    if (begun_ && begun_->runs()) return;
    throw InvalidState("nothing runs that could make more than was said");
  }

  [[noreturn]] static void refuse_commit(const Action& action) {
    throw InvalidState(
        std::string("commit of ") +
        (action.kind == ActionKind::drop ? "the drop of value " : "the run of operation ") +
        std::to_string(action.index) + ", which was not the last to begin");
  }

  Ledger ledger_;
  std::shared_ptr<MemoryAccount> account_;
  std::vector<Payload> payloads_;
  std::optional<Action> begun_;
  byte_count during_ = 0;  ///< while what was begun runs
};

}  // namespace reprise::inline v0
