// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The memory that training runs in.

#include <concepts>
#include <memory>
#include <reprise/core/units.hpp>
#include <reprise/store/memory_account.hpp>
#include <reprise/store/scheduled.hpp>
#include <reprise/store/store_policy.hpp>
#include <utility>

namespace reprise::inline v0 {

/// How a `RematStore` holds values.
template <StorePolicy P = Scheduled>
struct RematStoreOptions {
  byte_count budget = unlimited_bytes;  ///< for all passes together that run on the store
  StoreObserver<P> observer{};          ///< called with what happens to values; empty for none
};

/// The budget that training runs within, and what happens where room is missing.
///
/// `RematStore store{{.budget = 512_MiB}}` plays plans: what they keep stays, what they drop is
/// recomputed. `RematStore store{DtrEqClass{}, {.budget = 512_MiB}}` takes no plan: its policy
/// chooses what to evict when room is needed, and what was evicted is recomputed when it is read.
///
/// Each pass of a `Checkpointed` holds its values here, beside those of other passes: several
/// objects may run on one store, one after another or interleaved, from one thread, and share its
/// budget. A plan is made for the whole budget, whatever others hold. What else the engine counts
/// against the budget (an `OperationStore`, saved tensors of a checkpointed region) shares
/// `account()`.
///
/// Borrowed by those that run on it, so it is neither copied nor moved.
/// @tparam Policy what happens where room is missing
template <StorePolicy Policy = Scheduled>
class RematStore {
 public:
  using policy_type = Policy;                      ///< what happens where room is missing
  using options_type = RematStoreOptions<Policy>;  ///< what it is made with
  using observer_type = StoreObserver<Policy>;     ///< what it calls with what happens

  /// Whether values are evicted as room is needed; otherwise a plan says what is kept.
  static constexpr bool evicts = EvictionPolicy<Policy>;

  /// Holds nothing yet.
  explicit RematStore(options_type options = {}) requires std::default_initializable<Policy>
      : RematStore(std::move(options), Policy{}) {}
  /// The same with a policy of the caller's.
  explicit RematStore(Policy policy, options_type options = {}) requires evicts
      : RematStore(std::move(options), std::move(policy)) {}

  RematStore(const RematStore&) = delete;
  RematStore& operator=(const RematStore&) = delete;
  RematStore(RematStore&&) = delete;
  RematStore& operator=(RematStore&&) = delete;
  ~RematStore() = default;

  /// What happens where room is missing.
  [[nodiscard]] const Policy& policy() const noexcept { return policy_; }
  /// Called with what happens to values; may be empty.
  [[nodiscard]] const observer_type& observer() const noexcept { return observer_; }

  /// The most that may be live at once.
  [[nodiscard]] byte_count budget_bytes() const noexcept { return account_->budget_bytes(); }
  /// Held now.
  [[nodiscard]] byte_count live_bytes() const noexcept { return account_->live_bytes(); }
  /// The most that was live, inside operations too, since a step last began on the store.
  [[nodiscard]] byte_count peak_bytes() const noexcept { return account_->peak_bytes(); }
  /// What counts the bytes, for others who are to share the budget.
  [[nodiscard]] const std::shared_ptr<MemoryAccount>& account() const noexcept { return account_; }

 private:
  RematStore(options_type&& options, Policy&& policy)
      : policy_(std::move(policy)),
        observer_(std::move(options.observer)),
        account_(std::make_shared<MemoryAccount>(options.budget)) {}

  [[no_unique_address]] Policy policy_;
  observer_type observer_;
  std::shared_ptr<MemoryAccount> account_;
};

/// A `RematStore`, of whatever policy.
template <class S>
concept ValueStore = requires {
  requires std::same_as<S, RematStore<typename S::policy_type>>;
};

}  // namespace reprise::inline v0
