// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The storages that a store of operations may evict, and the budget that they are evicted for.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <reprise/core/byte_sum.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/eviction/candidate.hpp>
#include <reprise/eviction/eviction_policy.hpp>
#include <reprise/eviction/victim_index.hpp>
#include <reprise/eviction/victim_scan.hpp>
#include <reprise/store/memory_account.hpp>
#include <reprise/store/store_event.hpp>
#include <reprise/store/store_records.hpp>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace reprise::inline v0::storing {

/// The storages of a store that are present, within a budget: says which of them go, and lets them
/// go.
///
/// A storage joins the pool of those that may be evicted when an operation has made it or has
/// stopped reading it, and leaves it while something locks it. The policy's lowest score goes, of
/// equal ones the storage that joined latest. A score is asked for again only when what it may look
/// at has changed: whoever changes a storage's cost or last access says so with `mark_stale`.
/// Joining, leaving and a choice take O(log n) for n storages in the pool where the policy's score
/// is no `double`.
/// @tparam Payload what a value is
/// @tparam Policy  chooses what goes
template <class Payload, EvictionPolicy Policy>
class EvictionPool {
 public:
  /// What it reads and keeps up to date.
  using Records = StoreRecords<Payload>;

  /// @param records must outlive the pool
  /// @param account the budget, shared with other stores
  EvictionPool(Records& records, std::shared_ptr<MemoryAccount> account, Policy policy)
      : records_(records),
        account_(account_of_store(std::move(account))),
        policy_(std::move(policy)) {}
  EvictionPool(const EvictionPool&) = delete;
  EvictionPool& operator=(const EvictionPool&) = delete;
  EvictionPool(EvictionPool&&) = delete;
  EvictionPool& operator=(EvictionPool&&) = delete;
  ~EvictionPool() = default;

  // ---- which storages may go ------------------------------------------------------------------

  /// From now on the storage may be evicted, if it is present, unlocked and not held for good.
  void join(storage_id id) {
    Storage& storage = records_.storage(id);
    if (storage.is_pinned || storage.is_in_pool || storage.locks > 0 || !storage.is_present) return;
    storage.is_in_pool = true;
    storage.joined = next_joined_++;
    ++size_;
    if constexpr (is_opaque) {
      victims_.set(id, storage.joined);
    } else {
      mark_stale(id);
    }
  }
  /// From now on the storage may not be evicted.
  void leave(storage_id id) {
    if (!std::exchange(records_.storage(id).is_in_pool, false)) return;
    --size_;
    victims_.erase(id);
  }
  /// From now on the storage goes only for good, and no neighbourhood leads through it.
  void hold_for_good(storage_id id) {
    Storage& storage = records_.storage(id);
    if (storage.is_pinned) return;
    leave(id);
    storage.is_pinned = true;
    records_.graph().isolate(id);
  }
  /// What the score of the storage looks at has changed.
  void mark_stale(storage_id id) {
    if constexpr (is_opaque) return;  // it is asked for at each choice anyway
    if (!std::exchange(records_.storage(id).is_stale, true)) stale_.push_back(id);
  }

  // ---- what comes and goes --------------------------------------------------------------------

  /// The bytes of a storage are there.
  void make_present(storage_id id) {
    Storage& storage = records_.storage(id);
    storage.is_present = true;
    hold(held_ + storage.bytes);
    records_.graph().make(id);
  }
  /// Evicts a storage with all of its values.
  void evict(storage_id id) {
    records_.note_changes(records_.storage(id));
    const std::vector<std::uint64_t> dropped = numbers_to_tell(records_.storage(id));
    empty(id);
    records_.graph().evict(id);
    for (const std::uint64_t number : dropped) notify_drop(number);
  }
  /// Evicts a storage if it is in the pool.
  /// @returns true if it went
  bool evict_if_possible(storage_id id) {
    if (!records_.storage(id).is_in_pool) return false;
    evict(id);
    return true;
  }
  /// Evicts all that is in the pool. Linear in all storages, unless the pool is empty.
  void evict_all() {
    for (storage_id id = 0; size_ > 0 && id < records_.storages().size(); ++id) {
      evict_if_possible(id);
    }
  }
  /// Lets go of a storage that was held for good. If a rerun makes it once more for the sake of
  /// another output, it can be evicted.
  void free_for_good(storage_id id) {
    records_.storage(id).is_pinned = false;
    records_.storage(id).is_kept = false;
    const std::vector<std::uint64_t> dropped = numbers_to_tell(records_.storage(id));
    empty(id);
    records_.graph().unmake(id);
    for (const std::uint64_t number : dropped) notify_drop(number);
  }
  /// Lets go of one view of a storage that stays.
  void drop_view(value_number value) {
    if (!records_.value(value).is_defined) return;
    records_.undefine(value);
    if (records_.value(value).op != no_number) notify_drop(records_.value(value).number);
  }
  /// An operation took over the memory of a storage, which is no drop of its own.
  /// @returns whether the storage was held for good
  bool take_over(storage_id id) {
    empty(id);
    const bool was_pinned = std::exchange(records_.storage(id).is_pinned, false);
    if (was_pinned) {
      records_.graph().unmake(id);
    } else {
      records_.graph().evict(id);
    }
    return was_pinned;
  }

  // ---- the budget -----------------------------------------------------------------------------

  /// Evicts until an action fits that adds bytes to what is held.
  /// @param extra bytes that it adds
  /// @param freed bytes held now that it gives back
  /// @param name  called for the name of the action, if it does not fit
  /// @throws BudgetExceeded, naming what stays, if it does not fit and the pool is empty.
  template <class Name>
  void ensure_room(byte_count extra, byte_count freed, Name&& name) {
    for (;;) {
      const std::optional<byte_count> needed = byte_sum(account_->live_bytes() - freed, extra);
      if (needed && *needed <= account_->budget_bytes()) return;
      if (!evict_one()) refuse(name(), needed);
    }
  }
  /// Evicts until at least so many bytes have gone or the pool is empty.
  /// @returns the bytes that went
  byte_count make_room(byte_count bytes) {
    const byte_count before = held_;
    while (before - held_ < bytes && evict_one()) {
    }
    return before - held_;
  }
  /// Tells the account what will be held during an action.
  /// @throws BudgetExceeded if it does not fit.
  void expect(byte_count during) { account_->expect(held_, during); }

  /// Bytes held by this store.
  [[nodiscard]] byte_count held_bytes() const noexcept { return held_; }
  /// Storages that were evicted to make room.
  [[nodiscard]] std::uint64_t evictions() const noexcept { return evictions_; }
  /// The budget and what is held of it, by other stores too.
  [[nodiscard]] const MemoryAccount& account() const noexcept { return *account_; }

  // ---- events ---------------------------------------------------------------------------------

  /// Calls f with each event from now on; an empty function ends that.
  void observe(const std::function<void(const StoreEvent&)>& f) { observer_ = f; }
  /// Tells the observer of an event.
  void notify(StoreEvent::Kind kind, std::uint64_t number, byte_count during) const {
    if (observer_) observer_({kind, number, records_.clock(), held_, during});
  }
  /// Tells the observer that a value gave its bytes back.
  void notify_drop(std::uint64_t number) const { notify(StoreEvent::Kind::drop, number, held_); }

  /// The store goes: nobody observes it and it holds nothing.
  void close() noexcept { hold(0); }

 private:
  using Storage = typename Records::Storage;
  using Score = decltype(std::declval<const Policy&>().score(std::declval<const Candidate&>()));
  static constexpr bool is_opaque = std::same_as<Score, double>;
  template <class S>
  struct VictimsOf : std::type_identity<VictimIndex<S>> {};
  template <std::same_as<double> S>
  struct VictimsOf<S> : std::type_identity<VictimScan> {};
  using Victims = typename VictimsOf<Score>::type;

  [[nodiscard]] bool evict_one() {
    const storage_id victim = choose();
    if (victim == no_number) return false;
    ++evictions_;
    evict(victim);
    return true;
  }

  [[nodiscard]] storage_id choose() {
    if (size_ == 0) return no_number;
    if constexpr (is_opaque) {
      return victims_.choose([&](storage_id id) { return policy_.score(candidate(id)); });
    } else {
      rate_stale();
      return victims_.choose(records_.clock());
    }
  }

  void rate_stale() {
    records_.graph().take_changed(changed_);
    for (const storage_id id : changed_) mark_stale(id);
    for (const storage_id id : stale_) {
      Storage& storage = records_.storage(id);
      storage.is_stale = false;
      if (storage.is_in_pool) victims_.set(id, policy_.score(candidate(id)), storage.joined);
    }
    stale_.clear();
  }

  [[nodiscard]] Candidate candidate(storage_id id) {
    const Storage& storage = records_.storage(id);
    return {records_.graph(), id, storage.bytes, storage.last_access, records_.clock()};
  }

  void empty(storage_id id) {
    leave(id);
    Storage& storage = records_.storage(id);
    storage.is_present = false;
    hold(held_ - storage.bytes);
    // All are gone before the first payload is destroyed, which may ask for more room.
    for (const value_number value : storage.values) records_.value(value).is_defined = false;
    for (const value_number value : storage.values) records_.value(value).payload = Payload{};
  }

  void hold(byte_count bytes) noexcept {
    account_->settle(held_, bytes);
    held_ = bytes;
  }

  [[nodiscard]] std::vector<std::uint64_t> numbers_to_tell(const Storage& storage) const {
    std::vector<std::uint64_t> numbers;
    if (!observer_) return numbers;
    for (const value_number value : storage.values) {
      const typename Records::Value& v = records_.value(value);
      if (v.is_defined && v.op != no_number) numbers.push_back(v.number);
    }
    return numbers;
  }

  [[noreturn]] void refuse(const std::string& name, const std::optional<byte_count>& needed) const {
    throw BudgetExceeded(
        name + " needs " +
            (needed ? std::to_string(*needed) : "more than " + std::to_string(unlimited_bytes)) +
            " bytes of a budget of " + std::to_string(account_->budget_bytes()) +
            ", and nothing is left to evict: " + describe_what_stays(),
        account_->budget_bytes(), needed.value_or(unlimited_bytes));
  }

  [[nodiscard]] std::string describe_what_stays() const {
    constexpr std::size_t most_named = 8;
    std::string text = std::to_string(held_) + " bytes are here";
    if (const byte_count others = account_->live_bytes() - held_; others > 0) {
      text += ", " + std::to_string(others) + " are held by others who share the budget";
    }
    std::size_t count = 0;
    for (const Storage& storage : records_.storages()) {
      if (!storage.is_present || storage.bytes == 0 || ++count > most_named) continue;
      text += count == 1 ? " (" : ", ";
      text += describe(storage);
    }
    if (count > most_named) text += " and " + std::to_string(count - most_named) + " more";
    return text + (count == 0 ? "" : ")");
  }

  [[nodiscard]] std::string describe(const Storage& storage) const {
    const value_number first = storage.values.front();
    const bool is_constant = records_.value(first).op == no_number;
    return (storage.is_kept     ? "kept "
            : storage.locks > 0 ? "pinned or read "
                                : "unrepeatable ") +
           (is_constant ? std::string("constant") : records_.describe(first)) + ": " +
           std::to_string(storage.bytes);
  }

  Records& records_;
  std::shared_ptr<MemoryAccount> account_;
  Policy policy_;
  Victims victims_{};
  std::vector<storage_id> stale_{};
  std::vector<storage_id> changed_{};
  std::function<void(const StoreEvent&)> observer_{};
  byte_count held_ = 0;
  std::uint64_t evictions_ = 0;
  std::uint64_t next_joined_ = 0;
  std::size_t size_ = 0;
};

}  // namespace reprise::inline v0::storing
