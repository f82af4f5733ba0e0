// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The memory that training runs in.

#include <concepts>
#include <memory>
#include <reprise/core/tensor.hpp>
#include <reprise/core/units.hpp>
#include <reprise/eviction/eviction_policy.hpp>
#include <reprise/store/form_set.hpp>
#include <reprise/store/forms.hpp>
#include <reprise/store/memory_account.hpp>
#include <reprise/store/no_forms.hpp>
#include <reprise/store/scheduled.hpp>
#include <reprise/store/store_policy.hpp>
#include <utility>

namespace reprise::inline v0 {

/// How a `RematStore` holds values.
template <StorePolicy P = Scheduled>
struct RematStoreOptions {
  byte_count budget = unlimited_bytes;       ///< for all passes together that run on the store
  byte_count host_budget = unlimited_bytes;  ///< of the host's memory, for what is offloaded
  StoreObserver<P> observer{};               ///< called with what happens to values; empty for none
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
/// `RematStore store{forms, {.budget = 512_MiB, .host_budget = 8_GiB}}` keeps what `Forms` choose
/// compressed, or in the host's memory; after a policy it does so too. A form's bytes count where
/// it lies.
///
/// Borrowed by those that run on it, so it is neither copied nor moved.
/// @tparam Policy what happens where room is missing
/// @tparam KeptForms in what other ways values are kept: `NoForms` or `Forms`
template <StorePolicy Policy = Scheduled, FormSet KeptForms = NoForms>
class RematStore {
 public:
  using policy_type = Policy;                      ///< what happens where room is missing
  using options_type = RematStoreOptions<Policy>;  ///< what it is made with
  using observer_type = StoreObserver<Policy>;     ///< what it calls with what happens
  using forms_type = KeptForms;                    ///< in what other ways values are kept

  /// Whether values are evicted as room is needed; otherwise a plan says what is kept.
  static constexpr bool evicts = EvictionPolicy<Policy>;

  /// Holds nothing yet.
  explicit RematStore(options_type options = {}) requires std::default_initializable<Policy>
      : RematStore(std::move(options), Policy{}, KeptForms{}) {}
  /// The same with a policy of the caller's.
  explicit RematStore(Policy policy, options_type options = {}) requires evicts
      : RematStore(std::move(options), std::move(policy), KeptForms{}) {}
  /// The same with forms.
  explicit RematStore(KeptForms forms,
                      options_type options = {}) requires std::default_initializable<Policy>
      : RematStore(std::move(options), Policy{}, std::move(forms)) {}
  /// The same with both.
  RematStore(Policy policy, KeptForms forms, options_type options = {})
      : RematStore(std::move(options), std::move(policy), std::move(forms)) {}

  RematStore(const RematStore&) = delete;
  RematStore& operator=(const RematStore&) = delete;
  RematStore(RematStore&&) = delete;
  RematStore& operator=(RematStore&&) = delete;
  ~RematStore() = default;

  /// What happens where room is missing.
  [[nodiscard]] const Policy& policy() const noexcept { return policy_; }
  /// In what other ways values are kept.
  [[nodiscard]] const KeptForms& forms() const noexcept { return forms_; }
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
  /// What counts the bytes that were offloaded to the host's memory, within their own budget.
  [[nodiscard]] const std::shared_ptr<MemoryAccount>& host_account() const noexcept {
    return host_account_;
  }

 private:
  RematStore(options_type&& options, Policy&& policy, KeptForms&& forms)
      : policy_(std::move(policy)),
        forms_(std::move(forms)),
        observer_(std::move(options.observer)),
        account_(std::make_shared<MemoryAccount>(options.budget)),
        host_account_(std::make_shared<MemoryAccount>(options.host_budget)) {}

  [[no_unique_address]] Policy policy_;
  [[no_unique_address]] KeptForms forms_;
  observer_type observer_;
  std::shared_ptr<MemoryAccount> account_;
  std::shared_ptr<MemoryAccount> host_account_;
};

/// A store that plays plans, without forms,
RematStore()->RematStore<Scheduled>;
/// with options,
RematStore(RematStoreOptions<Scheduled>)->RematStore<Scheduled>;
/// with forms,
template <TensorLike T>
RematStore(Forms<T>, RematStoreOptions<Scheduled> = {}) -> RematStore<Scheduled, Forms<T>>;
/// one that evicts,
template <EvictionPolicy P>
RematStore(P, RematStoreOptions<P> = {}) -> RematStore<P>;
/// and one that evicts, with forms.
template <EvictionPolicy P, TensorLike T>
RematStore(P, Forms<T>, RematStoreOptions<P> = {}) -> RematStore<P, Forms<T>>;

/// A `RematStore`, of whatever policy and forms.
template <class S>
concept ValueStore = requires {
  requires std::same_as<S, RematStore<typename S::policy_type, typename S::forms_type>>;
};

}  // namespace reprise::inline v0
