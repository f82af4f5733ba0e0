// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Who needs which value, and so how long a store remembers how to recompute it.

#include <algorithm>
#include <cstddef>
#include <reprise/core/error.hpp>
#include <reprise/eviction/eviction_policy.hpp>
#include <reprise/eviction/storage_graph.hpp>
#include <reprise/store/eviction_pool.hpp>
#include <reprise/store/operation_output.hpp>
#include <reprise/store/operation_request.hpp>
#include <reprise/store/store_records.hpp>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0::storing {

/// Counts who needs each value of a store: handles, and the recipes that read it. A recipe is an
/// operation's function with its inputs; it is remembered as long as an output may be recomputed.
///
/// What nobody has a handle of goes at once, unless it cannot be recomputed and a recipe reads it.
/// A value that nobody needs is settled, as is one that never goes; an operation whose outputs are
/// all settled forgets its recipe, which then needs its inputs no more. That is iterative, so that
/// the depth of a graph is no limit.
/// @tparam Payload what a value is
/// @tparam Policy  of the pool
template <class Payload, EvictionPolicy Policy>
class References {
 public:
  /// What it reads and keeps up to date.
  using Records = StoreRecords<Payload>;
  /// Where storages go when nobody needs them.
  using Pool = EvictionPool<Payload, Policy>;
  /// What is handed over.
  using Request = OperationRequest<Payload>;

  /// @param records must outlive this
  /// @param pool    must outlive this
  References(Records& records, Pool& pool) : records_(records), pool_(pool) {}
  References(const References&) = delete;
  References& operator=(const References&) = delete;
  References(References&&) = delete;
  References& operator=(References&&) = delete;
  ~References() = default;

  // ---- recipes come and go ----------------------------------------------------------------------

  /// Remembers an operation that is to run, whose outputs have a handle each.
  /// @param request that was checked
  [[nodiscard]] operation_number add(Request&& request) {
    const operation_number op = records_.add_operation();
    Operation& o = records_.operation(op);
    o.cost = request.cost;
    o.transient_bytes = request.transient_bytes;
    o.repeatable = request.can_repeat(records_);
    o.inputs = std::move(request.inputs);
    o.consumes = std::move(request.consumes);
    o.function = std::move(request.function);
    o.has_recipe = true;
    for (const value_number input : o.inputs) {
      need(input);
      ++records_.storage(records_.storage_of(input)).readers;
    }
    for (const std::size_t index : o.consumes) ++records_.input_storage(o, index).consumers;
    for (const OperationOutput& output : request.outputs) add_output(op, output);
    link(op);
    return op;
  }

  /// After an operation's first run: what never runs again need not be remembered.
  void settle(operation_number op) {
    for (const value_number output : records_.operation(op).outputs) {
      const storage_id id = records_.storage_of(output);
      if (!records_.operation(op).repeatable && records_.storage(id).is_present) hold_for_good(id);
      if (records_.storage(id).is_pinned) settle_value(output);
    }
    if (records_.operation(op).needed_outputs == 0) forget_recipe(op);
    if (records_.operation(op).outputs.empty()) records_.forget_operation(op);
  }

  /// Forgets an operation whose first run failed, with its outputs and their handles.
  void take_back(operation_number op) {
    const std::vector<value_number> made = records_.operation(op).outputs;
    for (const value_number value : made) {
      records_.value(value).is_settled = true;
      --records_.operation(op).needed_outputs;
    }
    forget_recipe(op);
    for (const value_number value : made) take_back_value(value);
    records_.forget_operation(op);
  }

  // ---- handles ----------------------------------------------------------------------------------

  /// One more handle.
  void retain(value_number value) noexcept {
    ++records_.storage(records_.storage_of(value)).references;
    ++handles_;
    need(value);
  }
  /// One handle less.
  void release(value_number value) {
    const storage_id id = records_.storage_of(value);
    Storage& storage = records_.storage(id);
    --storage.references;
    --handles_;
    if (storage.references == 0 && storage.is_present && !storage.is_pinned) {
      if (storage.locks == 0) {
        pool_.evict(id);
      } else {
        storage.was_released = true;
      }
    }
    unneed(value);
  }
  /// Whether there is a handle of any value.
  [[nodiscard]] bool has_handles() const noexcept { return handles_ > 0; }

  /// The value is needed by one more.
  void need(value_number value) noexcept {
    ++records_.value(value).needs;
    ++records_.storage(records_.storage_of(value)).needs;
  }
  /// The value is needed by one less.
  void unneed(value_number value) {
    unneeded_.push_back(value);
    drain();
  }

  /// Nothing locks a storage any more: what was released meanwhile goes, and what stays and can be
  /// recomputed joins the pool.
  void end_locks(storage_id id) {
    Storage& storage = records_.storage(id);
    const bool was_released = std::exchange(storage.was_released, false);
    if (!storage.is_present) return;
    if (storage.is_pinned) {
      if (was_released) let_go_of_unneeded(id);
    } else if (was_released && storage.references == 0) {
      pool_.evict(id);
    } else {
      pool_.join(id);
    }
  }

  // ---- what is held for good
  // ----------------------------------------------------------------------

  /// @throws InvalidState if a recipe takes over the memory of the value.
  void check_can_stay(value_number value) const {
    const std::size_t consumers = records_.storage(records_.storage_of(value)).consumers;
    if (consumers == 0) return;
    throw InvalidState(records_.describe(value) + " cannot be kept: " + std::to_string(consumers) +
                       " operations that may run again take over its memory");
  }
  /// Holds a present value for good, by the user's word.
  /// @throws InvalidState as `check_can_stay`
  void keep(value_number value) {
    check_can_stay(value);
    records_.storage(records_.storage_of(value)).is_kept = true;
    hold_for_good(records_.storage_of(value));
  }
  /// From now on a storage goes only when nobody needs it any more; what made it is not needed for
  /// it.
  void hold_for_good(storage_id id) {
    pool_.hold_for_good(id);
    const std::vector<value_number> all = records_.storage(id).values;
    for (const value_number value : all) {
      if (records_.value(value).is_defined) settle_value(value);
    }
  }
  /// What was held for good went although it is needed: values whose recipes are still there are
  /// recomputed like others.
  void unsettle(storage_id id) {
    for (const value_number value : records_.storage(id).values) unsettle_value(value);
  }

  // ---- who reads what
  // -----------------------------------------------------------------------------

  /// An operation with a recipe that reads the storage; `no_number` if there is none. Linear.
  [[nodiscard]] operation_number reader_of(storage_id id) const {
    return operation_with_recipe([&](const Operation& o) {
      return std::ranges::any_of(
          o.inputs, [&](value_number input) { return records_.storage_of(input) == id; });
    });
  }
  /// An operation with a recipe that takes over the storage; `no_number` if there is none. Linear.
  [[nodiscard]] operation_number consumer_of(storage_id id) const {
    return operation_with_recipe([&](const Operation& o) {
      return std::ranges::any_of(o.consumes, [&](std::size_t index) {
        return records_.storage_of(o.inputs[index]) == id;
      });
    });
  }
  /// An output that may have to be recomputed; `no_number` if there is none.
  [[nodiscard]] value_number first_unsettled_output(operation_number op) const {
    for (const value_number output : records_.operation(op).outputs) {
      if (!records_.value(output).is_settled) return output;
    }
    return no_number;
  }

 private:
  using Value = typename Records::Value;
  using Storage = typename Records::Storage;
  using Operation = typename Records::Operation;

  void add_output(operation_number op, const OperationOutput& output) {
    const storage_id id =
        output.view_of ? viewed_storage(op, *output.view_of) : new_storage(op, output.bytes);
    const value_number value = records_.add_value(op, id);
    retain(value);
    records_.value(value).is_view = output.view_of.has_value();
    Operation& o = records_.operation(op);
    o.outputs.push_back(value);
    ++o.needed_outputs;
    ++o.remembered_outputs;
  }

  // The operation's cost counts once for each storage.
  [[nodiscard]] storage_id viewed_storage(operation_number op, std::size_t input) {
    const Operation& o = records_.operation(op);
    const storage_id id = records_.storage_of(o.inputs[input]);
    const bool is_first = std::ranges::none_of(
        o.outputs, [&](value_number other) { return records_.storage_of(other) == id; });
    if (is_first) add_cost(id, o.cost);
    return id;
  }

  [[nodiscard]] storage_id new_storage(operation_number op, byte_count bytes) {
    Operation& o = records_.operation(op);
    const storage_id id = records_.add_storage(bytes);
    records_.storage(id).is_pinned = !o.repeatable;
    o.output_bytes += bytes;
    add_cost(id, o.cost);
    return id;
  }

  void add_cost(storage_id id, std::uint64_t cost) {
    records_.graph().add_cost(id, cost);
    pool_.mark_stale(id);
  }

  // What cannot be recomputed is never evicted, and its edges, as many as inputs times outputs,
  // would lead nowhere.
  void link(operation_number op) {
    const Operation& o = records_.operation(op);
    StorageGraph& graph = records_.graph();
    for (const value_number output : o.outputs) {
      const Value& v = records_.value(output);
      if (!o.repeatable && !v.is_view) graph.isolate(v.storage);
    }
    for (const value_number input : o.inputs) {
      for (const value_number output : o.outputs) {
        graph.link(records_.storage_of(input), records_.storage_of(output));
      }
    }
  }

  void take_back_value(value_number value) {
    const storage_id id = records_.storage_of(value);
    Storage& storage = records_.storage(id);
    --storage.references;
    --handles_;
    --storage.needs;
    std::erase(storage.values, value);
    const bool is_view = records_.value(value).is_view;
    records_.forget_value(value);
    if (is_view) return;
    records_.graph().isolate(id);
    records_.forget_storage(id);
  }

  // Iterative: a released value may let go of a recipe, whose inputs may be let go of in turn.
  void drain() {
    if (std::exchange(is_draining_, true)) return;
    while (!unneeded_.empty()) {
      const value_number value = unneeded_.back();
      unneeded_.pop_back();
      lose_need(value);
    }
    is_draining_ = false;
  }

  void lose_need(value_number value) {
    Value& v = records_.value(value);
    Storage& storage = records_.storage(v.storage);
    --storage.needs;
    --v.needs;
    if (v.needs > 0) return;
    if (storage.is_pinned && storage.is_present) {
      if (storage.locks == 0) {
        let_go_of_pinned(v.storage, value);
      } else {
        storage.was_released = true;
      }
    }
    settle_value(value);
  }

  void let_go_of_unneeded(storage_id id) {
    const std::vector<value_number> all = records_.storage(id).values;
    for (const value_number value : all) {
      const Value& v = records_.value(value);
      if (v.needs == 0 && v.is_defined) let_go_of_pinned(id, value);
    }
  }

  // A pinned storage goes with the last of its values that is there and needed, a view of it alone.
  void let_go_of_pinned(storage_id id, value_number value) {
    const Storage& storage = records_.storage(id);
    const bool is_last = std::ranges::none_of(storage.values, [&](value_number other) {
      return other != value && records_.value(other).is_defined;
    });
    if (storage.needs == 0 || is_last) {
      pool_.free_for_good(id);
    } else {
      pool_.drop_view(value);
    }
  }

  void settle_value(value_number value) {
    Value& v = records_.value(value);
    if (std::exchange(v.is_settled, true) || v.op == no_number) return;
    if (--records_.operation(v.op).needed_outputs == 0) forget_recipe(v.op);
  }

  void unsettle_value(value_number value) {
    Value& v = records_.value(value);
    if (v.op == no_number || v.needs == 0 || !v.is_settled) return;
    Operation& o = records_.operation(v.op);
    if (!o.has_recipe || !o.repeatable) return;
    v.is_settled = false;
    ++o.needed_outputs;
  }

  void forget_recipe(operation_number op) {
    Operation& o = records_.operation(op);
    if (!std::exchange(o.has_recipe, false)) return;
    for (const std::size_t index : o.consumes) --records_.input_storage(o, index).consumers;
    for (const value_number input : o.inputs) {
      --records_.storage(records_.storage_of(input)).readers;
    }
    unneeded_.insert(unneeded_.end(), o.inputs.begin(), o.inputs.end());
    // What the function holds may be handles, whose end comes back here.
    const auto forgotten = std::move(o.function);
    drain();
  }

  template <class F>
  [[nodiscard]] operation_number operation_with_recipe(F&& holds) const {
    operation_number op = 0;
    for (const Operation& o : records_.operations()) {
      if (o.has_recipe && holds(o)) return op;
      ++op;
    }
    return no_number;
  }

  Records& records_;
  Pool& pool_;
  std::vector<value_number> unneeded_{};
  std::size_t handles_ = 0;  ///< of any value
  bool is_draining_ = false;
};

}  // namespace reprise::inline v0::storing
