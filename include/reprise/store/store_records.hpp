// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a store of operations knows of each value, storage and operation.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/units.hpp>
#include <reprise/eviction/neighbourhood.hpp>
#include <reprise/eviction/storage_graph.hpp>
#include <reprise/store/replay_check.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0::storing {

/// The number of a record of an operation; one that was forgotten is given again.
using operation_number = std::uint32_t;
/// The number of a record of a value; one that was forgotten is given again.
using value_number = std::uint32_t;
/// The number of no record: of what made a constant, say.
inline constexpr std::uint32_t no_number = 0xFFFFFFFFU;

/// The records of a store: one of each value, of each storage that values lie in and of each
/// operation that made them, the edges between storages, and the clock.
///
/// A record says what is; which other part of the store keeps which of its members up to date
/// stands beside them. Records are found by number in constant time. One that was forgotten leaves
/// its number to the next, so that memory is linear in what is remembered at the same time.
/// @tparam Payload what a value is
template <std::default_initializable Payload>
requires(std::movable<Payload>) class StoreRecords {
 public:
  /// Knows a payload again.
  using Check = ReplayCheck<Payload>;
  /// Computes outputs from inputs.
  using Function = std::function<void(std::span<Payload* const> inputs, std::span<Payload> outputs,
                                      PassContext& pass)>;

  /// A value: what an operation made, or a constant.
  struct Value {
    operation_number op = no_number;  ///< that made it
    storage_id storage = no_number;   ///< that it lies in
    std::uint64_t number = 0;         ///< in the order in which values, or constants, came
    std::size_t needs = 0;            ///< handles, and operations that may run again and read it
    bool is_view = false;             ///< lies in the storage of an input of the operation
    bool is_defined = false;          ///< its payload is there
    bool is_settled = false;          ///< never recomputed: its function need not be kept for it
    bool is_spoilt = false;  ///< was changed in place before it went: a recompute is something else
    typename Check::Made made{};  ///< what it was when it was made first
    Payload payload{};            ///< empty where it is not defined
  };

  /// A storage: the memory of a value and of all views of it.
  struct Storage {
    byte_count bytes = 0;           ///< views apart
    std::uint64_t last_access = 0;  ///< the clock when an operation last read it
    std::uint64_t joined = 0;       ///< `EvictionPool`: its place in the order of joining
    std::uint64_t born = 0;         ///< its place in the order of all storages
    std::size_t references = 0;     ///< `References`: handles to any of its values
    std::size_t needs = 0;          ///< `References`: the sum over its values
    std::size_t locks = 0;          ///< `RematStack`: by pins and by operations about to read it
    std::size_t pins = 0;           ///< `RematStack`: by pins alone
    std::size_t consumers = 0;      ///< `References`: recipes that take over its memory
    std::size_t readers = 0;        ///< `References`: inputs of recipes that lie in it
    std::vector<value_number> values{};  ///< that lie in it
    bool is_in_use = false;              ///< is the record of something
    bool is_present = false;             ///< its bytes are held
    bool is_in_pool = false;             ///< `EvictionPool`: may be evicted now
    bool is_pinned = false;              ///< cannot be recomputed, or must not go
    bool is_kept = false;                ///< a constant, or kept for good by the user
    bool is_stale = false;               ///< `EvictionPool`: its score is out of date
    bool was_released = false;           ///< `References`: is to go once nothing locks it
    bool is_marked = false;              ///< inside `collect_if_due`
  };

  /// An operation.
  struct Operation {
    std::uint64_t cost = 0;                     ///< of one run
    std::uint64_t number = 0;                   ///< in the order in which operations came
    byte_count output_bytes = 0;                ///< of all outputs, views apart
    byte_count transient_bytes = 0;             ///< beyond all that it makes
    std::vector<value_number> inputs{};         ///< in the order of the function's
    std::vector<value_number> outputs{};        ///< in the order of the function's
    std::vector<std::size_t> consumes{};        ///< inputs whose storages it takes over
    std::vector<typename Check::Read> reads{};  ///< what it found in its inputs when it first ran
    Function function{};                        ///< empty for a simulation, and without a recipe
    std::size_t needed_outputs = 0;             ///< `References`: that are not settled
    std::size_t remembered_outputs = 0;         ///< that have a record
    bool repeatable = true;                     ///< may run again
    bool has_run = false;                       ///< once, to its end
    bool has_recipe = false;  ///< `References`: its function and inputs are remembered
  };

  /// @param neighbourhood what the edges between storages are asked for
  /// @param verify_replay whether payloads are known again by their content too
  StoreRecords(Neighbourhood neighbourhood, bool verify_replay)
      : replay_(verify_replay), graph_(neighbourhood) {}

  /// The record of a value. References to records of a kind end with the next one that is added.
  [[nodiscard]] Value& value(value_number value) noexcept { return values_[value]; }
  [[nodiscard]] const Value& value(value_number value) const noexcept { return values_[value]; }
  /// The record of a storage.
  [[nodiscard]] Storage& storage(storage_id id) noexcept { return storages_[id]; }
  [[nodiscard]] const Storage& storage(storage_id id) const noexcept { return storages_[id]; }
  /// The record of an operation.
  [[nodiscard]] Operation& operation(operation_number op) noexcept { return operations_[op]; }
  [[nodiscard]] const Operation& operation(operation_number op) const noexcept {
    return operations_[op];
  }

  /// The storage that a value lies in.
  [[nodiscard]] storage_id storage_of(value_number value) const noexcept {
    return values_[value].storage;
  }
  /// The storage that an operation's input lies in.
  [[nodiscard]] Storage& input_storage(const Operation& op, std::size_t index) noexcept {
    return storages_[values_[op.inputs[index]].storage];
  }
  /// By number, with those that were forgotten.
  [[nodiscard]] std::span<const Storage> storages() const noexcept { return storages_; }
  /// By number, with those that were forgotten.
  [[nodiscard]] std::span<const Operation> operations() const noexcept { return operations_; }

  /// The edges between storages, numbered as here.
  [[nodiscard]] StorageGraph& graph() noexcept { return graph_; }
  /// Knows payloads again.
  [[nodiscard]] const Check& replay() const noexcept { return replay_; }
  /// The cost of all that has run; starts at 1.
  [[nodiscard]] std::uint64_t clock() const noexcept { return clock_; }
  /// Something of this cost ran.
  void advance_clock(std::uint64_t cost) noexcept { clock_ += cost; }

  /// A new storage that is not present.
  [[nodiscard]] storage_id add_storage(byte_count bytes) {
    const storage_id id = graph_.add();
    if (id >= storages_.size()) storages_.resize(id + 1);
    storages_[id].is_in_use = true;
    storages_[id].bytes = bytes;
    storages_[id].born = next_born_++;
    ++remembered_;
    return id;
  }
  /// A new value in a storage, without a payload.
  /// @param op that makes it; `no_number` for a constant
  [[nodiscard]] value_number add_value(operation_number op, storage_id storage) {
    const value_number value = take(values_, free_values_);
    values_[value].op = op;
    values_[value].storage = storage;
    values_[value].number = op == no_number ? next_constant_++ : next_value_++;
    storages_[storage].values.push_back(value);
    return value;
  }
  /// A new operation.
  [[nodiscard]] operation_number add_operation() {
    const operation_number op = take(operations_, free_operations_);
    operations_[op].number = next_operation_++;
    return op;
  }

  /// Forgets a value that its storage and its operation no longer list.
  void forget_value(value_number value) { give_back(values_, free_values_, value); }
  /// Forgets an operation that made nothing that is remembered.
  void forget_operation(operation_number op) { give_back(operations_, free_operations_, op); }
  /// Forgets a storage without values and edges.
  void forget_storage(storage_id id) {
    graph_.remove(id);
    const bool was_stale = storages_[id].is_stale;
    storages_[id] = Storage{.is_stale = was_stale};  // it is still in the list of those
    --remembered_;
  }

  /// Storages that are not forgotten.
  [[nodiscard]] std::size_t remembered() const noexcept { return remembered_; }
  /// Forgets what nobody needs and no neighbourhood of anything that could be evicted leads to, if
  /// there are twice as many storages as after the last time. Linear in these when it is due.
  void collect_if_due() {
    if (remembered_ < collect_at_) return;
    collect();
    collect_at_ = std::max<std::size_t>(1024, 2 * remembered_);
  }

  /// Notes which values of a storage that goes were changed in place: these cannot be recomputed,
  /// since the change would be lost.
  void note_changes(const Storage& storage) {
    for (const value_number value : storage.values) {
      Value& v = values_[value];
      if (v.is_defined && replay_.has_changed(v.payload, v.made)) v.is_spoilt = true;
    }
  }
  /// Takes the payload from a value, which is not there any more.
  void undefine(value_number value) {
    values_[value].is_defined = false;
    values_[value].payload = Payload{};
  }

  /// A value as messages name it.
  [[nodiscard]] std::string describe(value_number value) const {
    return (values_[value].op == no_number ? "constant " : "value ") +
           std::to_string(values_[value].number);
  }

  /// Lets go of all payloads and functions; records stay for the handles that outlive the store.
  void close() noexcept {
    is_closed_ = true;
    for (Value& value : values_) value.payload = Payload{};
    for (Operation& op : operations_) op.function = nullptr;
  }
  /// The store has gone.
  [[nodiscard]] bool is_closed() const noexcept { return is_closed_; }

 private:
  template <class T>
  [[nodiscard]] static std::uint32_t take(std::vector<T>& all, std::vector<std::uint32_t>& free) {
    if (free.empty()) {
      all.emplace_back();
      return static_cast<std::uint32_t>(all.size() - 1);
    }
    const std::uint32_t id = free.back();
    free.pop_back();
    return id;
  }
  template <class T>
  static void give_back(std::vector<T>& all, std::vector<std::uint32_t>& free, std::uint32_t id) {
    all[id] = T{};
    free.push_back(id);
  }

  void collect() {
    mark_reached();
    for (storage_id id = 0; id < storages_.size(); ++id) {
      Storage& storage = storages_[id];
      const bool is_reached = std::exchange(storage.is_marked, false);
      if (!storage.is_in_use || (is_reached && !storage.is_pinned)) continue;
      std::erase_if(storage.values, [&](value_number value) {
        if (values_[value].needs > 0) return false;
        collect_value(value);
        return true;
      });
      if (!is_reached) forget_storage(id);
    }
  }

  void mark_reached() {
    std::vector<storage_id> reached;
    const auto mark = [&](storage_id id) {
      if (!std::exchange(storages_[id].is_marked, true)) reached.push_back(id);
    };
    for (storage_id id = 0; id < storages_.size(); ++id) {
      const Storage& storage = storages_[id];
      if (storage.is_in_use && (storage.is_present || storage.needs > 0)) mark(id);
    }
    while (!reached.empty()) {
      const storage_id id = reached.back();
      reached.pop_back();
      graph_.for_each_neighbour(id, mark);
    }
  }

  void collect_value(value_number value) {
    const operation_number op = values_[value].op;
    forget_value(value);
    if (op != no_number && --operations_[op].remembered_outputs == 0) forget_operation(op);
  }

  Check replay_;
  StorageGraph graph_;
  std::vector<Value> values_{};
  std::vector<Storage> storages_{};  ///< numbered as in `graph_`
  std::vector<Operation> operations_{};
  std::vector<std::uint32_t> free_values_{};
  std::vector<std::uint32_t> free_operations_{};
  std::uint64_t clock_ = 1;
  std::uint64_t next_operation_ = 0;
  std::uint64_t next_value_ = 0;
  std::uint64_t next_constant_ = 0;
  std::uint64_t next_born_ = 0;
  std::size_t remembered_ = 0;
  std::size_t collect_at_ = 1024;
  bool is_closed_ = false;
};

}  // namespace reprise::inline v0::storing
