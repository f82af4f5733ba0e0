// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Runs operations as they come, within a budget: evicts and remakes by itself.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <reprise/core/byte_sum.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/core/units.hpp>
#include <reprise/eviction/candidate.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/eviction/eviction_policy.hpp>
#include <reprise/eviction/storage_graph.hpp>
#include <reprise/eviction/victim_index.hpp>
#include <reprise/eviction/victim_scan.hpp>
#include <reprise/store/memory_account.hpp>
#include <reprise/store/no_payload.hpp>
#include <reprise/store/operation_store_options.hpp>
#include <reprise/store/replay_check.hpp>
#include <reprise/store/store_event.hpp>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// Runs an engine's operations one after another within a budget, for programs that are not known
/// beforehand: what needs room evicts other values, and what was evicted is remade when it is read.
///
/// The engine hands over each operation with its cost, the bytes that it will make and the function
/// that computes them, and gets a handle for each output. A handle whose last copy goes releases
/// its value: the bytes at once, the function as soon as nothing may need it. `pin` makes a value
/// present and holds it there. Remaking is iterative, so that depth is no limit. Outputs that are
/// views of an input share its storage and are evicted with it; a rerun makes all outputs, and
/// second copies go at its end. What was remade only on the way to something else can be evicted,
/// and stays until room is needed, or nobody holds a handle any more.
///
/// An operation may take over the memory of inputs: these are gone once it ran, whoever else holds
/// them, with all that shares their storage, and are remade by their own operations when they are
/// read. So a remake may take over what a remake further up is about to read, which is then remade
/// once more, the latest storage first. What can never be remade is gone for good once it was taken
/// over; what was made from it is made present first and stays, as the outputs of the operation do.
/// After a function threw, what it was to take over counts as taken over.
///
/// A rerun must do what the first run did: outputs of another shape or of other bytes are refused.
/// Where `tensor_traits` has a `version`, so is a rerun that would read what was changed in place
/// since the first run did, be it a constant, a kept value or another one; and what was changed
/// after it was made and then evicted. Where there is none, a change is found by
/// `OperationStoreOptions::verify_replay` alone.
///
/// The order of evictions is that of the published simulator of DTR (Kirisame et al., ICLR 2021,
/// arXiv:2006.09616): values join the pool of what may go when an operation has made them or has
/// stopped reading them, the lowest score goes, of equal ones the one that joined latest.
///
/// Not to be used from several threads at once. A function must compute the same outputs from the
/// same inputs each time, must not hand operations to the store or make values present, and may ask
/// `make_room` (through the engine's allocator, say), evict, and let go of handles and pins.
/// @tparam Payload what a value is: the engine's tensor; `NoPayload` makes the store a simulator
/// @tparam Policy  chooses what goes
template <std::default_initializable Payload = NoPayload, EvictionPolicy Policy = DtrEqClass>
requires(std::movable<Payload>) class OperationStore {
  struct Core;

 public:
  class Handle;
  class Pin;

  /// Computes outputs from inputs; the context has the operation's own random stream and says
  /// whether it runs again.
  using Function = std::function<void(std::span<Payload* const> inputs, std::span<Payload> outputs,
                                      PassContext& pass)>;

  /// One output of an operation.
  struct Output {
    byte_count bytes = 0;                  ///< as requested; a view takes none
    std::optional<std::size_t> view_of{};  ///< shares the storage of this input
  };

  /// One operation.
  struct Request {
    std::uint64_t cost = 0;               ///< FLOPs, nanoseconds: any unit, the same for all
    std::vector<Handle> inputs{};         ///< in the order in which `run` gets them
    std::vector<Output> outputs{};        ///< in the order in which `run` fills them
    byte_count transient_bytes = 0;       ///< beyond all that it makes
    std::vector<std::size_t> consumes{};  ///< inputs whose storages it takes over, with all views
    bool repeatable = true;               ///< if not, its outputs stay until they are released
    Function run{};                       ///< runs at once, and again when an output is remade
  };

  /// @param account the budget, shared with other stores
  /// @param seed    of the operations' random streams
  explicit OperationStore(std::shared_ptr<MemoryAccount> account, Policy policy = {},
                          std::uint64_t seed = 0)
      : OperationStore(std::move(account), std::move(policy), OperationStoreOptions{.seed = seed}) {
  }
  explicit OperationStore(byte_count budget, Policy policy = {}, std::uint64_t seed = 0)
      : OperationStore(std::make_shared<MemoryAccount>(budget), std::move(policy), seed) {}
  OperationStore(std::shared_ptr<MemoryAccount> account, Policy policy,
                 OperationStoreOptions options)
      : core_(std::make_shared<Core>(std::move(account), std::move(policy), options)) {}
  OperationStore(byte_count budget, Policy policy, OperationStoreOptions options)
      : OperationStore(std::make_shared<MemoryAccount>(budget), std::move(policy), options) {}

  OperationStore(const OperationStore&) = delete;
  OperationStore& operator=(const OperationStore&) = delete;
  OperationStore(OperationStore&&) = delete;
  OperationStore& operator=(OperationStore&&) = delete;
  /// What the store still holds goes; handles that outlive it are empty shells.
  ~OperationStore() { core_->close(); }

  /// A value that is there from the start and never goes while it is needed: a weight, an input.
  /// @param bytes what the budget counts for it; 0 for what the engine holds anyway
  /// @throws BudgetExceeded if it does not fit.
  [[nodiscard]] Handle constant(Payload payload, byte_count bytes = 0) {
    return Handle(core_, core_->add_constant(std::move(payload), bytes));
  }

  /// Runs an operation, whatever it must remake and evict for it.
  /// @returns a handle for each output
  /// @throws InvalidArgument for an empty input or one of another store, an index that does not
  ///   exist, bytes or costs whose sum passes 2^64 - 1, or what it cannot take over: a constant, a
  ///   kept value, a storage that it reads or names twice, or that an output is to be a view of;
  ///   BudgetExceeded, naming what stays, if it does not fit although nothing is left to evict;
  ///   ProfileMismatch if an output takes more than it was said to; ReplayMismatch if a rerun reads
  ///   or makes something else than the first run; InvalidState inside a running operation, for an
  ///   input that is gone for good, for one to be taken over that is pinned, or if inputs cannot be
  ///   present together, since remaking each takes over another; and what the functions throw.
  ///   After an exception the operation was not handed over, and all other values are still to be
  ///   had, but for what it was to take over and nothing can remake.
  std::vector<Handle> run(const Request& request) {
    const std::shared_ptr<Core> core = core_;  // a function may let go of the store
    std::vector<Handle> handles;
    handles.reserve(request.outputs.size());
    const operation_number op = core->add_operation(request);
    core->run_first(op);
    for (const value_number value : core->outputs(op)) handles.push_back(Handle(core, value));
    core->settle(op);
    return handles;
  }

  /// Runs an operation that overwrites one of its inputs: the handle then means the new value.
  ///
  /// The old value stays retrievable for whoever else holds it: an update makes a new storage.
  void update(Handle& overwritten, const Request& request) {
    std::vector<Handle> made = run(request);
    if (made.size() != 1) {
      throw InvalidArgument("an update makes one value, not " + std::to_string(made.size()));
    }
    overwritten = std::move(made.front());
  }

  /// Makes a value present, however much that takes, and holds it there as long as the pin lives.
  /// @throws as `run`
  [[nodiscard]] Pin pin(const Handle& handle) {
    core_->check(handle);
    Handle held = handle;  // the function that remakes it may let go of the caller's
    held.core_->materialise(held.value_);
    return Pin(std::move(held));
  }

  /// Makes a value present and never evicts it again: a result, a parameter. Its function and what
  /// only that needs are forgotten.
  /// @throws as `run`; InvalidState if an operation that may run again takes over its memory.
  void keep(const Handle& handle) {
    core_->check(handle);
    const Handle held = handle;
    held.core_->check_can_stay(held.value_);
    held.core_->materialise(held.value_);
    held.core_->keep(held.value_);
  }

  /// Evicts a value, with all that shares its storage, if it is present and can go.
  /// @returns true if it went
  bool evict(const Handle& handle) {
    core_->check(handle);
    return core_->evict_if_possible(handle.value_);
  }

  /// Evicts until at least so many bytes have gone or nothing is left that could; for an engine's
  /// allocator that has run out.
  /// @returns the bytes that went
  byte_count make_room(byte_count bytes) { return core_->make_room(bytes); }

  /// Inside a function that runs for the first time: one of its outputs takes more bytes than was
  /// said. Evicts what it takes to make room for them. A view takes none of its own.
  /// @returns whether there is room; if not, the function must throw
  /// @throws InvalidState outside of functions and in a rerun; InvalidArgument for an output that
  ///   the operation does not have.
  [[nodiscard]] bool grow_output(std::size_t output, byte_count bytes) {
    return core_->grow_output(output, bytes);
  }
  /// The same for what the operation takes beyond its outputs.
  /// @throws InvalidState as `grow_output`
  [[nodiscard]] bool grow_transient(byte_count bytes) { return core_->grow_transient(bytes); }

  /// Whether the value has its bytes now, so that `pin` would remake nothing.
  /// @throws InvalidArgument for an empty handle or one of another store
  [[nodiscard]] bool is_present(const Handle& handle) const {
    core_->check(handle);
    return core_->values[handle.value_].is_defined;
  }
  /// Bytes held by this store.
  [[nodiscard]] byte_count live_bytes() const noexcept { return core_->held; }
  /// The cost of all that has run; starts at 1.
  [[nodiscard]] std::uint64_t clock() const noexcept { return core_->clock; }
  /// The cost of all runs after an operation's first.
  [[nodiscard]] std::uint64_t recomputed_cost() const noexcept { return core_->recomputed_cost; }
  /// Values that were evicted to make room.
  [[nodiscard]] std::uint64_t evictions() const noexcept { return core_->evictions; }
  /// Storages whose functions or neighbourhoods are still remembered, present or not.
  [[nodiscard]] std::size_t remembered() const noexcept { return core_->remembered; }
  /// The budget and what is held of it, by other stores too.
  [[nodiscard]] const MemoryAccount& account() const noexcept { return *core_->account; }

  /// Calls f with each event from now on; an empty function ends that. It must not use the store.
  void observe(const std::function<void(const StoreEvent&)>& f) { core_->observer = f; }

 private:
  using operation_number = std::uint32_t;
  using value_number = std::uint32_t;

  std::shared_ptr<Core> core_;
};

/// A counted reference to a value: as long as one lives, the value can be had.
template <std::default_initializable Payload, EvictionPolicy Policy>
requires(std::movable<Payload>) class OperationStore<Payload, Policy>::Handle {
 public:
  Handle() noexcept = default;
  Handle(const Handle& other) noexcept : core_(other.core_), value_(other.value_) {
    if (core_) core_->retain(value_);
  }
  Handle(Handle&& other) noexcept : core_(std::move(other.core_)), value_(other.value_) {}
  Handle& operator=(Handle other) noexcept {
    std::swap(core_, other.core_);
    std::swap(value_, other.value_);
    return *this;
  }
  ~Handle() { reset(); }

  /// Releases the value.
  void reset() noexcept {
    if (const std::shared_ptr<Core> core = std::exchange(core_, nullptr)) core->release(value_);
  }
  /// False for a handle that was default-constructed, moved from or reset.
  [[nodiscard]] explicit operator bool() const noexcept { return core_ != nullptr; }

 private:
  friend class OperationStore;
  // Takes over the reference that the value was made with.
  Handle(std::shared_ptr<Core> core, value_number value) noexcept
      : core_(std::move(core)), value_(value) {}

  std::shared_ptr<Core> core_;
  value_number value_ = 0;
};

/// Holds a value present, and gives access to it; a handle of it as well.
template <std::default_initializable Payload, EvictionPolicy Policy>
requires(std::movable<Payload>) class OperationStore<Payload, Policy>::Pin {
 public:
  Pin(Pin&&) noexcept = default;
  Pin& operator=(Pin other) noexcept {
    std::swap(held_, other.held_);
    return *this;
  }
  Pin(const Pin&) = delete;
  ~Pin() {
    if (held_) held_.core_->unlock_value(held_.value_);
  }

  /// The value; undefined in a pin that was moved from.
  [[nodiscard]] Payload& operator*() const noexcept {
    return held_.core_->values[held_.value_].payload;
  }
  /// The value; undefined in a pin that was moved from.
  [[nodiscard]] Payload* operator->() const noexcept { return &**this; }

 private:
  friend class OperationStore;
  explicit Pin(Handle held) : held_(std::move(held)) { held_.core_->lock_value(held_.value_); }

  Handle held_;
};

template <std::default_initializable Payload, EvictionPolicy Policy>
requires(std::movable<Payload>) struct OperationStore<Payload, Policy>::Core {
  using Score = decltype(std::declval<const Policy&>().score(std::declval<const Candidate&>()));
  template <class S>
  struct VictimsOf : std::type_identity<VictimIndex<S>> {};
  template <std::same_as<double> S>
  struct VictimsOf<S> : std::type_identity<VictimScan> {};
  using Victims = typename VictimsOf<Score>::type;
  static constexpr std::uint32_t none = 0xFFFFFFFFU;
  using Check = storing::ReplayCheck<Payload>;

  struct Value {
    operation_number op = none;
    storage_id storage = none;
    std::uint64_t number = 0;
    std::size_t needs = 0;  ///< handles, and operations that may run again and read it
    bool is_view = false;
    bool is_defined = false;
    bool is_settled = false;  ///< never remade: its function need not be kept for it
    bool is_spoilt = false;   ///< was changed in place before it went: a remake is something else
    typename Check::Made made{};
    Payload payload{};
  };
  struct Storage {
    byte_count bytes = 0;
    std::uint64_t last_access = 0;
    std::uint64_t joined = 0;
    std::uint64_t born = 0;      ///< its place in the order of all storages
    std::size_t references = 0;  ///< handles to any of its values
    std::size_t needs = 0;
    std::size_t locks = 0;  ///< by pins and by operations that are about to read it
    std::size_t pins = 0;
    std::size_t consumers = 0;  ///< operations that may run again and take over its memory
    std::size_t readers = 0;    ///< inputs of operations that may run again that lie in it
    std::vector<value_number> values{};
    bool is_in_use = false;
    bool is_present = false;
    bool is_in_pool = false;
    bool is_pinned = false;  ///< cannot be remade, or must not go
    bool is_kept = false;    ///< a constant, or by the engine's word
    bool is_stale = false;   ///< the victims' score of it is out of date
    bool was_released = false;
    bool is_marked = false;
  };
  struct Operation {
    std::uint64_t cost = 0;
    std::uint64_t number = 0;
    byte_count output_bytes = 0;
    byte_count transient_bytes = 0;
    std::vector<value_number> inputs{};
    std::vector<value_number> outputs{};
    std::vector<std::size_t> consumes{};
    std::vector<typename Check::Read> reads{};  ///< what it found in its inputs when it first ran
    Function function{};
    std::size_t needed_outputs = 0;
    std::size_t remembered_outputs = 0;
    bool repeatable = true;
    bool has_run = false;
    bool has_recipe = false;
  };
  struct CurrentRun {
    operation_number op = none;
    byte_count consumed_bytes = 0;
    byte_count during_bytes = 0;  ///< at the most
  };
  struct Frame {
    operation_number op;
    std::size_t asked;          ///< which output the remake is for
    std::size_t first_missing;  ///< in `missing`
    std::size_t first_lock;     ///< in `locked`
    std::size_t rounds = 0;     ///< how often it found inputs missing that it held before
    bool has_begun = false;
    bool holds_inputs = false;  ///< has a lock on each, present or taken over by another one
  };

  Core(std::shared_ptr<MemoryAccount> shared, Policy chosen, OperationStoreOptions options)
      : account(std::move(shared)),
        policy(std::move(chosen)),
        seed(options.seed),
        replay(options.verify_replay),
        graph(neighbourhood_of<Policy>()) {}

  // ---- handing over ---------------------------------------------------------------------------

  void check(const Handle& handle) const {
    if (handle.core_.get() != this) {
      throw InvalidArgument(handle ? "a handle of another store" : "an empty handle");
    }
  }

  [[nodiscard]] value_number add_constant(Payload payload, byte_count bytes) {
    check_not_running();
    ensure_room(bytes, 0, [] { return std::string("a constant"); });
    account->expect(held, held + bytes);
    const storage_id storage = take_storage();
    storages[storage].bytes = bytes;
    storages[storage].is_pinned = true;
    storages[storage].is_kept = true;
    graph.isolate(storage);
    const value_number value = take_value(none, storage);
    values[value].number = next_constant++;
    values[value].payload = std::move(payload);
    values[value].made = replay.made(values[value].payload);
    values[value].is_defined = true;
    values[value].is_settled = true;
    mark_present(storage);
    return value;
  }

  [[nodiscard]] operation_number add_operation(const Request& request) {
    check_not_running();
    check_request(request);
    secure_dependants(request);
    collect_if_due();
    const operation_number op = take(operations, free_operations);
    Operation& o = operations[op];
    o.cost = request.cost;
    o.number = next_operation++;
    o.transient_bytes = request.transient_bytes;
    o.consumes = request.consumes;
    o.function = request.run;
    o.repeatable = can_repeat(request);
    o.has_recipe = true;
    for (const Handle& input : request.inputs) {
      o.inputs.push_back(input.value_);
      need(input.value_);
      ++storages[values[input.value_].storage].readers;
    }
    for (const std::size_t index : o.consumes) ++input_storage(o, index).consumers;
    for (const Output& output : request.outputs) add_output(op, output);
    link(op);
    return op;
  }

  void check_request(const Request& request) const {
    for (const Handle& input : request.inputs) check(input);
    byte_count bytes = request.transient_bytes;
    for (const Output& output : request.outputs) {
      check_output(request, output);
      if (!output.view_of) bytes = sum_of(bytes, output.bytes);
    }
    for (const std::size_t index : request.consumes) check_consumed(request, index);
  }

  static byte_count sum_of(byte_count a, byte_count b) {
    if (const std::optional<byte_count> sum = byte_sum(a, b)) return *sum;
    throw InvalidArgument("the outputs and the transient of an operation take " +
                          std::to_string(a) + " and " + std::to_string(b) +
                          " bytes, more than 64 bits count");
  }

  static void check_index(const Request& request, std::size_t index, const char* what) {
    if (index < request.inputs.size()) return;
    throw InvalidArgument(std::string(what) + " input " + std::to_string(index) + " of " +
                          std::to_string(request.inputs.size()));
  }

  void check_output(const Request& request, const Output& output) const {
    if (!output.view_of) return;
    check_index(request, *output.view_of, "a view of");
    const storage_id storage = storage_of(request.inputs[*output.view_of]);
    for (const std::size_t index : request.consumes) {
      if (index >= request.inputs.size() || storage_of(request.inputs[index]) != storage) continue;
      throw InvalidArgument("an operation cannot take over input " + std::to_string(index) +
                            " and make a view of it");
    }
  }

  void check_consumed(const Request& request, std::size_t index) const {
    check_index(request, index, "consumes");
    const auto refuse = [&](const std::string& why) {
      throw InvalidArgument("an operation cannot take over input " + std::to_string(index) + why);
    };
    const storage_id storage = storage_of(request.inputs[index]);
    if (storages[storage].is_kept) refuse(", which is a constant or was kept");
    if (std::ranges::count(request.consumes, index) > 1) refuse(" twice");
    for (std::size_t i = 0; i < request.inputs.size(); ++i) {
      if (i == index || storage_of(request.inputs[i]) != storage) continue;
      refuse(" and read it as input " + std::to_string(i) + " too");
    }
  }

  [[nodiscard]] storage_id storage_of(const Handle& handle) const {
    return values[handle.value_].storage;
  }

  // Not if it takes over what nothing can remake.
  [[nodiscard]] bool can_repeat(const Request& request) const {
    return request.repeatable && std::ranges::none_of(request.consumes, [&](std::size_t index) {
             return storages[storage_of(request.inputs[index])].is_pinned;
           });
  }

  void add_output(operation_number op, const Output& output) {
    Operation& o = operations[op];
    storage_id storage = 0;
    bool is_first_of_operation = true;
    if (output.view_of) {
      storage = values[o.inputs[*output.view_of]].storage;
      for (const value_number other : o.outputs) {
        is_first_of_operation = is_first_of_operation && values[other].storage != storage;
      }
    } else {
      storage = take_storage();
      storages[storage].bytes = output.bytes;
      storages[storage].is_pinned = !o.repeatable;
      o.output_bytes += output.bytes;
    }
    if (is_first_of_operation) {
      graph.add_cost(storage, o.cost);
      mark_stale(storage);
    }
    const value_number value = take_value(op, storage);
    values[value].number = next_value++;
    values[value].is_view = output.view_of.has_value();
    o.outputs.push_back(value);
    ++o.needed_outputs;
    ++o.remembered_outputs;
  }

  // What cannot be made again is never evicted, and its edges, as many as inputs times outputs,
  // would lead nowhere.
  void link(operation_number op) {
    const Operation& o = operations[op];
    for (const value_number output : o.outputs) {
      if (!o.repeatable && !values[output].is_view) graph.isolate(values[output].storage);
    }
    for (const value_number input : o.inputs) {
      for (const value_number output : o.outputs) {
        graph.link(values[input].storage, values[output].storage);
      }
    }
  }

  [[nodiscard]] const std::vector<value_number>& outputs(operation_number op) const noexcept {
    return operations[op].outputs;
  }

  void run_first(operation_number op) {
    frames.push_back({op, 0, missing.size(), locked.size()});
    try {
      run_frames();
    } catch (...) {
      take_back(op);
      throw;
    }
    for (const value_number output : operations[op].outputs) {
      Storage& storage = storages[values[output].storage];
      storage.last_access = clock;
      mark_stale(values[output].storage);
    }
  }

  // After the first run: what never runs again need not be remembered.
  void settle(operation_number op) {
    for (const value_number output : operations[op].outputs) {
      const storage_id storage = values[output].storage;
      if (!operations[op].repeatable && storages[storage].is_present) hold_for_good(storage);
      if (storages[storage].is_pinned) settle_value(output);
    }
    if (operations[op].needed_outputs == 0) forget_recipe(op);
    if (operations[op].outputs.empty()) give_back(operations, free_operations, op);
    clear_if_nobody_holds();
  }

  void take_back(operation_number op) {
    if (is_closed) return;
    const std::vector<value_number> made = operations[op].outputs;
    for (const value_number value : made) {
      values[value].is_settled = true;
      --operations[op].needed_outputs;
    }
    forget_recipe(op);
    for (const value_number value : made) {
      const storage_id storage = values[value].storage;
      --storages[storage].references;
      --all_references;
      --storages[storage].needs;
      std::erase(storages[storage].values, value);
      const bool is_view = values[value].is_view;
      give_back(values, free_values, value);
      if (is_view) continue;
      graph.isolate(storage);
      forget_storage(storage);
    }
    give_back(operations, free_operations, op);
    clear_if_nobody_holds();
  }

  // ---- references -----------------------------------------------------------------------------

  void retain(value_number value) noexcept {
    ++storages[values[value].storage].references;
    ++all_references;
    need(value);
  }

  void release(value_number value) {
    if (is_closed) return;
    const storage_id id = values[value].storage;
    Storage& storage = storages[id];
    --storage.references;
    --all_references;
    if (storage.references == 0 && storage.is_present && !storage.is_pinned) {
      if (storage.locks == 0) {
        evict(id);
      } else {
        storage.was_released = true;
      }
    }
    unneed(value);
    clear_if_nobody_holds();
  }

  // Then nothing will ever be read again, and what was remade on the way need not wait for others.
  void clear_if_nobody_holds() {
    if (all_references > 0 || !frames.empty()) return;
    for (storage_id id = 0; pool_size > 0 && id < storages.size(); ++id) {
      if (storages[id].is_in_pool) evict(id);
    }
  }

  void need(value_number value) noexcept {
    ++values[value].needs;
    ++storages[values[value].storage].needs;
  }

  void unneed(value_number value) {
    unneeded.push_back(value);
    drain();
  }

  // Iterative: a released value may let go of a recipe, whose inputs may be let go of in turn.
  void drain() {
    if (std::exchange(is_draining, true)) return;
    while (!unneeded.empty()) {
      const value_number value = unneeded.back();
      unneeded.pop_back();
      lose_need(value);
    }
    is_draining = false;
  }

  void lose_need(value_number value) {
    Value& v = values[value];
    Storage& storage = storages[v.storage];
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

  // A pinned storage goes with the last of its values that is there and needed, a view of it alone.
  void let_go_of_pinned(storage_id id, value_number value) {
    const bool is_last = std::ranges::none_of(storages[id].values, [&](value_number other) {
      return other != value && values[other].is_defined;
    });
    if (storages[id].needs == 0 || is_last) {
      free_for_good(id);
    } else {
      undefine(value);
    }
  }

  void settle_value(value_number value) {
    Value& v = values[value];
    if (std::exchange(v.is_settled, true) || v.op == none) return;
    if (--operations[v.op].needed_outputs == 0) forget_recipe(v.op);
  }

  void forget_recipe(operation_number op) {
    Operation& o = operations[op];
    if (!std::exchange(o.has_recipe, false)) return;
    for (const std::size_t index : o.consumes) --input_storage(o, index).consumers;
    for (const value_number input : o.inputs) --storages[values[input].storage].readers;
    unneeded.insert(unneeded.end(), o.inputs.begin(), o.inputs.end());
    const Function forgotten = std::move(o.function);
    drain();
  }

  [[nodiscard]] Storage& input_storage(const Operation& o, std::size_t index) {
    return storages[values[o.inputs[index]].storage];
  }

  void check_can_stay(value_number value) const {
    const Storage& storage = storages[values[value].storage];
    if (storage.consumers == 0) return;
    throw InvalidState(describe(value) + " cannot be kept: " + std::to_string(storage.consumers) +
                       " operations that may run again take over its memory");
  }

  void keep(value_number value) {
    check_can_stay(value);
    storages[values[value].storage].is_kept = true;
    hold_for_good(values[value].storage);
  }

  // From now on it goes only when nobody needs it any more; what made it is not needed for it.
  void hold_for_good(storage_id id) {
    Storage& storage = storages[id];
    if (!storage.is_pinned) {
      leave_pool(id);
      storage.is_pinned = true;
      graph.isolate(id);
    }
    const std::vector<value_number> all = storage.values;
    for (const value_number each : all) {
      if (values[each].is_defined) settle_value(each);
    }
  }

  // ---- what would be lost -----------------------------------------------------------------------

  // Before an operation takes over what nothing can remake, what others could be remade from that
  // stays itself; before it makes a view that nothing can remake, what takes over its storage does.
  void secure_dependants(const Request& request) {
    // What was secured may be taken over too, and then nothing can remake that either.
    for (storage_id lost = lost_and_read(request); lost != none; lost = lost_and_read(request)) {
      secure(operation_reading(lost));
    }
    if (can_repeat(request)) return;
    for (const Output& output : request.outputs) {
      if (!output.view_of) continue;
      const storage_id storage = storage_of(request.inputs[*output.view_of]);
      while (storages[storage].consumers > 0) secure(operation_consuming(storage));
    }
  }

  [[nodiscard]] storage_id lost_and_read(const Request& request) const {
    for (const std::size_t index : request.consumes) {
      const storage_id storage = storage_of(request.inputs[index]);
      if (storages[storage].is_pinned && storages[storage].readers > 0) return storage;
    }
    return none;
  }

  // Makes present what an operation made and holds it for good, after what takes that over in turn.
  void secure(operation_number last) {
    std::vector<operation_number> waiting{last};
    while (!waiting.empty()) {
      const operation_number op = waiting.back();
      const value_number value = first_unsettled_output(op);
      if (!operations[op].has_recipe || value == none) {
        waiting.pop_back();
      } else if (storages[values[value].storage].consumers > 0) {
        if (waiting.size() > operations.size()) refuse_to_secure(value);
        waiting.push_back(operation_consuming(values[value].storage));
      } else {
        materialise(value);
        // Its last handle may have gone meanwhile.
        if (!values[value].is_settled) hold_for_good(values[value].storage);
      }
    }
  }

  // Two operations make views of what each takes over from the other.
  [[noreturn]] void refuse_to_secure(value_number value) const {
    throw InvalidState(describe(value) +
                       " cannot stay at once with what is made from it, and would be lost");
  }

  [[nodiscard]] value_number first_unsettled_output(operation_number op) const {
    for (const value_number output : operations[op].outputs) {
      if (!values[output].is_settled) return output;
    }
    return none;
  }

  [[nodiscard]] operation_number operation_reading(storage_id storage) const {
    return operation_with_recipe([&](const Operation& o) {
      return std::ranges::any_of(
          o.inputs, [&](value_number input) { return values[input].storage == storage; });
    });
  }

  [[nodiscard]] operation_number operation_consuming(storage_id storage) const {
    return operation_with_recipe([&](const Operation& o) {
      return std::ranges::any_of(o.consumes, [&](std::size_t index) {
        return values[o.inputs[index]].storage == storage;
      });
    });
  }

  template <class F>
  [[nodiscard]] operation_number operation_with_recipe(F&& holds) const {
    for (operation_number op = 0; op < operations.size(); ++op) {
      if (operations[op].has_recipe && holds(operations[op])) return op;
    }
    return none;
  }

  // ---- making things present ------------------------------------------------------------------

  void check_not_running() const {
    if (is_running)
      throw InvalidState("an operation was handed over from inside operation " +
                         std::to_string(running_number));
  }

  void materialise(value_number value) {
    check_not_running();
    if (values[value].is_defined) return;
    // A function may let go of the last handle of what is being remade.
    const Needed needed(*this, value);
    descend(value);
    run_frames();
  }

  class Needed {
   public:
    Needed(Core& core, value_number value) : core_(core), value_(value) { core_.need(value_); }
    Needed(const Needed&) = delete;
    Needed& operator=(const Needed&) = delete;
    ~Needed() {
      if (!core_.is_closed) core_.unneed(value_);
    }

   private:
    Core& core_;
    value_number value_;
  };

  [[nodiscard]] std::size_t index_in_maker(value_number value) const {
    const std::vector<value_number>& all = operations[values[value].op].outputs;
    return static_cast<std::size_t>(std::ranges::find(all, value) - all.begin());
  }

  // Begins the remake of a value.
  void descend(value_number value) {
    const Value& v = values[value];
    if (v.is_spoilt) {
      throw ReplayMismatch(describe(value) +
                           " was changed in place after it was made: making it again would undo "
                           "the change");
    }
    check_repeatable(value);
    frames.push_back({v.op, index_in_maker(value), missing.size(), locked.size()});
  }

  void check_repeatable(value_number value) const {
    const Operation& o = operations[values[value].op];
    if (o.has_recipe && (o.repeatable || !o.has_run)) return;
    throw InvalidState("operation " + std::to_string(o.number) +
                       (o.repeatable ? " made what was held for good" : " is not repeatable") +
                       ", and what it made is gone: " + describe(value));
  }

  [[nodiscard]] std::string describe(value_number value) const {
    return (values[value].op == none ? "constant " : "value ") +
           std::to_string(values[value].number);
  }

  void run_frames() {
    try {
      while (!frames.empty()) step();
    } catch (...) {
      frames.clear();
      missing.clear();
      while (!locked.empty()) {
        const storage_id storage = locked.back();
        locked.pop_back();
        unlock(storage);
      }
      throw;
    }
  }

  // One step of the topmost remake: begins it, descends into what it misses, or runs it.
  void step() {
    Frame& frame = frames.back();
    if (!frame.has_begun) begin(frame);
    while (frame.first_missing < missing.size()) {
      // `missing` is a stack of this frame's own list, in reverse.
      const value_number value = missing.back();
      if (!values[value].is_defined) return descend(value);
      missing.pop_back();
      if (!frame.holds_inputs) lock(values[value].storage);
      if (missing.size() == frame.first_missing) list_taken_over(frame);
    }
    const Frame done = frame;
    compute(done);
    unlock_inputs(done);
    frames.pop_back();
  }

  void begin(Frame& frame) {
    frame.has_begun = true;
    const Operation& o = operations[frame.op];
    for (const value_number input : o.inputs) {
      storages[values[input].storage].last_access = clock;
      mark_stale(values[input].storage);
    }
    for (const value_number input : o.inputs) {
      if (values[input].is_defined) lock(values[input].storage);
    }
    list_missing(o);
  }

  void list_missing(const Operation& o) {
    for (std::size_t i = o.inputs.size(); i-- > 0;) {
      if (!values[o.inputs[i]].is_defined) missing.push_back(o.inputs[i]);
    }
  }

  // Remaking one input may have taken over the memory of another, an ancestor of it. A remake takes
  // over only storages that are older than what it makes, views apart: so the youngest goes first,
  // and is not taken over again.
  void list_taken_over(Frame& frame) {
    frame.holds_inputs = true;
    const Operation& o = operations[frame.op];
    list_missing(o);
    if (missing.size() == frame.first_missing) return;
    if (++frame.rounds > 4 + o.inputs.size()) {
      throw InvalidState(
          "operation " + std::to_string(o.number) +
          " cannot have all of its inputs at once: remaking one takes over another (" +
          describe(missing.back()) + ")");
    }
    std::ranges::sort(missing.begin() + static_cast<std::ptrdiff_t>(frame.first_missing),
                      missing.end(), {},
                      [this](value_number value) { return storages[values[value].storage].born; });
  }

  void compute(const Frame& frame) {
    Operation& o = operations[frame.op];
    check_inputs(o);
    const byte_count consumed = consumed_bytes(o);
    const byte_count extra = o.output_bytes + o.transient_bytes;
    ensure_room(extra, consumed, [&] { return "operation " + std::to_string(o.number); });
    const byte_count during = held - consumed + extra;
    account->expect(held, during);
    current = {.op = frame.op, .consumed_bytes = consumed, .during_bytes = during};
    std::vector<Payload> made = call(o);
    const bool is_rerun = std::exchange(o.has_run, true);
    clock += o.cost;
    if (is_rerun) recomputed_cost += o.cost;
    const std::size_t first_new = fresh.size();
    for (std::size_t i = 0; i < o.outputs.size(); ++i) {
      Value& value = values[o.outputs[i]];
      if (value.is_defined) continue;
      if (value.is_spoilt || (!value.is_view && storages[value.storage].is_present)) {
        // Nobody may have it; or let go of, while a view keeps the first copy's memory.
        unwanted.push_back(value.number);
        continue;
      }
      value.is_defined = true;
      value.payload = std::move(made[i]);
      if (is_rerun) {
        replay.made_again(value.payload, value.made);
      } else {
        value.made = replay.made(value.payload);
      }
      if (storages[value.storage].is_present) continue;
      mark_present(value.storage);
      if (i != frame.asked) fresh.push_back(value.storage);
    }
    if (frame.asked < o.outputs.size()) fresh.push_back(values[o.outputs[frame.asked]].storage);
    for (std::size_t i = first_new; i < fresh.size(); ++i) join_pool(fresh[i]);
    fresh.resize(first_new);
    made.clear();  // second copies
    notify(is_rerun ? StoreEvent::Kind::rerun : StoreEvent::Kind::run, o.number,
           current.during_bytes);
    for (const std::uint64_t number : unwanted) notify(StoreEvent::Kind::drop, number, held);
    unwanted.clear();
  }

  // Notes what an operation reads, or compares it with what it read when it first ran.
  void check_inputs(Operation& o) {
    if (o.cost > ~clock) {
      throw InvalidState("operation " + std::to_string(o.number) + " of cost " +
                         std::to_string(o.cost) + " takes the clock from " + std::to_string(clock) +
                         " past what 64 bits count");
    }
    if (!replay.looks_at_inputs()) return;
    if (!o.has_run) o.reads.clear();
    for (std::size_t i = 0; i < o.inputs.size(); ++i) {
      const Value& input = values[o.inputs[i]];
      const auto read = replay.read(input.payload, input.made);
      if (!o.has_run) {
        o.reads.push_back(read);
      } else if (!replay.are_equal(read, o.reads[i])) {
        throw ReplayMismatch(describe(o.inputs[i]) + ", input " + std::to_string(i) +
                             " of operation " + std::to_string(o.number) +
                             ", was changed in place: the operation cannot run again as it first "
                             "did");
      }
    }
  }

  [[nodiscard]] byte_count consumed_bytes(const Operation& o) {
    byte_count bytes = 0;
    for (const std::size_t index : o.consumes) {
      const Storage& storage = input_storage(o, index);
      if (storage.pins > 0) {
        throw InvalidState("operation " + std::to_string(o.number) + " takes over input " +
                           std::to_string(index) + ", which is pinned");
      }
      bytes += storage.bytes;
    }
    return bytes;
  }

  // Runs the function. What it takes over is gone afterwards, also if it throws: nobody knows how
  // far it came.
  [[nodiscard]] std::vector<Payload> call(Operation& o) {
    std::vector<Payload> made(o.outputs.size());
    for (const std::size_t index : o.consumes) hand_over(o.inputs[index]);
    try {
      if (o.function) call_function(o, made);
    } catch (...) {
      take_over_inputs(o);
      throw;
    }
    take_over_inputs(o);
    return made;
  }

  // The function is to have the only handle of what it takes over: others would keep the memory.
  void hand_over(value_number consumed) {
    const Storage& storage = storages[values[consumed].storage];
    note_changes(storage);
    for (const value_number value : storage.values) {
      if (value == consumed) continue;
      values[value].is_defined = false;
      values[value].payload = Payload{};
    }
  }

  void call_function(Operation& o, std::vector<Payload>& made) {
    std::vector<Payload*> inputs;
    inputs.reserve(o.inputs.size());
    for (const value_number input : o.inputs) inputs.push_back(&values[input].payload);
    PassContext pass({.seed = seed, .step = o.number}, PassMode::training);
    pass.enter(PassContext::NodeFacts{.is_recompute = o.has_run});
    {
      const Running running(*this, o);
      running.function(inputs, made, pass);
    }
    if (is_closed) {
      throw InvalidState("the store went while operation " + std::to_string(o.number) + " ran");
    }
    check_bytes(o, made);
    if (o.has_run) check_rerun(o, made);
  }

  // The function lives elsewhere while it runs, so that the end of the store does not end it.
  struct Running {
    Running(Core& owner, Operation& o) : function(std::move(o.function)), core(owner), op(o) {
      core.is_running = true;
      core.running_number = o.number;
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() {
      core.is_running = false;
      if (!core.is_closed) op.function = std::move(function);
    }

    Function function;
    Core& core;
    Operation& op;
  };

  void check_rerun(const Operation& o, const std::vector<Payload>& made) const {
    for (std::size_t i = 0; i < o.outputs.size(); ++i) {
      const auto difference = replay.difference(made[i], values[o.outputs[i]].made);
      if (!difference) continue;
      throw ReplayMismatch("output " + std::to_string(i) + " of operation " +
                           std::to_string(o.number) + ", " + describe(o.outputs[i]) + ", " +
                           *difference + " when it runs again");
    }
  }

  void check_bytes(const Operation& o, const std::vector<Payload>& made) const {
    if constexpr (TensorLike<Payload>) {
      for (std::size_t i = 0; i < made.size(); ++i) {
        const Value& value = values[o.outputs[i]];
        if (value.is_view) continue;
        const byte_count bytes = counted_bytes(made[i]);
        const byte_count said = storages[value.storage].bytes;
        if (bytes <= said) continue;
        throw ProfileMismatch("output " + std::to_string(i) + " of operation " +
                              std::to_string(o.number) + " takes " + std::to_string(bytes) +
                              " bytes, and was said to take " + std::to_string(said));
      }
    }
  }

  void unlock_inputs(const Frame& frame) {
    locked.resize(frame.first_lock);
    for (const value_number input : operations[frame.op].inputs) unlock(values[input].storage);
  }

  // ---- locks and the pool ---------------------------------------------------------------------

  void lock_value(value_number value) {
    const storage_id id = values[value].storage;
    ++storages[id].pins;
    if (storages[id].locks++ == 0) leave_pool(id);
  }
  void unlock_value(value_number value) {
    if (is_closed) return;
    --storages[values[value].storage].pins;
    unlock(values[value].storage);
  }

  void lock(storage_id id) {
    if (storages[id].locks++ == 0) leave_pool(id);
    locked.push_back(id);
  }

  // A lock stays when another operation takes over the storage: then it waits for the remake.
  void unlock(storage_id id) {
    if (is_closed) return;
    Storage& storage = storages[id];
    if (--storage.locks > 0) return;
    const bool was_released = std::exchange(storage.was_released, false);
    if (!storage.is_present) return;
    if (storage.is_pinned) {
      if (!was_released) return;
      const std::vector<value_number> all = storage.values;
      for (const value_number value : all) {
        if (values[value].needs == 0 && values[value].is_defined) let_go_of_pinned(id, value);
      }
    } else if (was_released && storage.references == 0) {
      evict(id);
    } else {
      join_pool(id);
    }
  }

  void join_pool(storage_id id) {
    Storage& storage = storages[id];
    if (storage.is_pinned || storage.is_in_pool || storage.locks > 0 || !storage.is_present) return;
    storage.is_in_pool = true;
    storage.joined = next_joined++;
    ++pool_size;
    mark_stale(id);
  }

  void leave_pool(storage_id id) {
    if (!std::exchange(storages[id].is_in_pool, false)) return;
    --pool_size;
    victims.erase(id);
  }

  void mark_stale(storage_id id) {
    if (!std::exchange(storages[id].is_stale, true)) stale.push_back(id);
  }

  // ---- bytes ----------------------------------------------------------------------------------

  void mark_present(storage_id id) {
    Storage& storage = storages[id];
    storage.is_present = true;
    hold(held + storage.bytes);
    graph.make(id);
  }

  void hold(byte_count bytes) noexcept {
    account->settle(held, bytes);
    held = bytes;
  }

  template <class Name>
  void ensure_room(byte_count extra, byte_count freed, Name&& name) {
    for (;;) {
      const std::optional<byte_count> needed = byte_sum(account->live_bytes() - freed, extra);
      if (needed && *needed <= account->budget_bytes()) return;
      const storage_id victim = choose();
      if (victim == none) {
        throw BudgetExceeded(name() + " needs " +
                                 (needed ? std::to_string(*needed)
                                         : "more than " + std::to_string(unlimited_bytes)) +
                                 " bytes of a budget of " +
                                 std::to_string(account->budget_bytes()) +
                                 ", and nothing is left to evict: " + describe_what_stays(),
                             account->budget_bytes(), needed.value_or(unlimited_bytes));
      }
      ++evictions;
      evict(victim);
    }
  }

  [[nodiscard]] std::string describe_what_stays() const {
    constexpr std::size_t most_named = 8;
    std::string text = std::to_string(held) + " bytes are here";
    std::size_t count = 0;
    for (const Storage& storage : storages) {
      if (!storage.is_present || storage.bytes == 0 || ++count > most_named) continue;
      text += count == 1 ? " (" : ", ";
      text += storage.is_kept ? "kept " : storage.locks > 0 ? "pinned or read " : "unrepeatable ";
      const value_number value = storage.values.front();
      text +=
          values[value].op == none ? "constant" : "value " + std::to_string(values[value].number);
      text += ": " + std::to_string(storage.bytes);
    }
    if (count > most_named) text += " and " + std::to_string(count - most_named) + " more";
    return text + (count == 0 ? "" : ")");
  }

  [[nodiscard]] bool grow_output(std::size_t index, byte_count bytes) {
    Operation& o = running_for_the_first_time();
    if (index >= o.outputs.size()) {
      throw InvalidArgument("output " + std::to_string(index) + " of an operation of " +
                            std::to_string(o.outputs.size()));
    }
    const Value& value = values[o.outputs[index]];
    Storage& storage = storages[value.storage];
    if (value.is_view || bytes <= storage.bytes) return true;
    if (!make_room_to_grow(o, bytes - storage.bytes)) return false;
    o.output_bytes += bytes - storage.bytes;
    storage.bytes = bytes;
    return true;
  }

  [[nodiscard]] bool grow_transient(byte_count bytes) {
    Operation& o = running_for_the_first_time();
    if (bytes <= o.transient_bytes) return true;
    if (!make_room_to_grow(o, bytes - o.transient_bytes)) return false;
    o.transient_bytes = bytes;
    return true;
  }

  [[nodiscard]] Operation& running_for_the_first_time() {
    if (!is_running) throw InvalidState("nothing runs that could make more than was said");
    Operation& o = operations[current.op];
    if (o.has_run) {
      throw InvalidState("a rerun of operation " + std::to_string(o.number) +
                         " makes more than its first run");
    }
    return o;
  }

  [[nodiscard]] bool make_room_to_grow(const Operation& o, byte_count more) {
    const byte_count said = o.output_bytes + o.transient_bytes;
    const std::optional<byte_count> extra = byte_sum(said, more);
    if (!extra || !byte_sum(account->live_bytes(), *extra)) return false;
    try {
      ensure_room(*extra, current.consumed_bytes,
                  [&] { return "operation " + std::to_string(o.number); });
    } catch (const BudgetExceeded&) {
      return false;
    }
    const byte_count during = held - current.consumed_bytes + *extra;
    account->expect(held, during);
    current.during_bytes = std::max(current.during_bytes, during);
    return true;
  }

  byte_count make_room(byte_count bytes) {
    const byte_count before = held;
    while (before - held < bytes) {
      const storage_id victim = choose();
      if (victim == none) break;
      ++evictions;
      evict(victim);
    }
    return before - held;
  }

  [[nodiscard]] storage_id choose() {
    if (pool_size == 0) return none;
    graph.take_changed(changed);
    for (const storage_id id : changed) mark_stale(id);
    for (const storage_id id : stale) {
      Storage& storage = storages[id];
      storage.is_stale = false;
      if (storage.is_in_pool) rate(id, storage);
    }
    stale.clear();
    if constexpr (std::same_as<Score, double>) {
      return victims.choose([&](storage_id id) { return policy.score(candidate(id)); });
    } else {
      return victims.choose(clock);
    }
  }

  void rate(storage_id id, const Storage& storage) {
    if constexpr (std::same_as<Score, double>) {
      victims.set(id, storage.joined);
    } else {
      victims.set(id, policy.score(candidate(id)), storage.joined);
    }
  }

  [[nodiscard]] Candidate candidate(storage_id id) {
    return {graph, id, storages[id].bytes, storages[id].last_access, clock};
  }

  [[nodiscard]] bool evict_if_possible(value_number value) {
    const storage_id id = values[value].storage;
    if (!storages[id].is_in_pool) return false;
    evict(id);
    return true;
  }

  void evict(storage_id id) {
    note_changes(storages[id]);
    const std::vector<std::uint64_t> dropped = numbers_to_tell(storages[id]);
    empty(id);
    graph.evict(id);
    for (const std::uint64_t number : dropped) notify(StoreEvent::Kind::drop, number, held);
  }

  // A rerun for the sake of another output may make it once more: then it can be evicted.
  void free_for_good(storage_id id) {
    storages[id].is_pinned = false;
    storages[id].is_kept = false;
    const std::vector<std::uint64_t> dropped = numbers_to_tell(storages[id]);
    empty(id);
    graph.unmake(id);
    for (const std::uint64_t number : dropped) notify(StoreEvent::Kind::drop, number, held);
  }

  // An operation took over its memory, which is no drop of its own. Operations further up that were
  // about to read it find it missing again, and still hold their locks.
  void take_over_inputs(const Operation& o) {
    if (is_closed) return;
    for (const std::size_t index : o.consumes) {
      const storage_id id = values[o.inputs[index]].storage;
      empty(id);
      if (std::exchange(storages[id].is_pinned, false)) {
        graph.unmake(id);
        for (const value_number value : storages[id].values) unsettle(value);
      } else {
        graph.evict(id);
      }
    }
  }

  // Held for good it did without its function; if that is still there, it is remade like others.
  void unsettle(value_number value) {
    Value& v = values[value];
    if (v.op == none || v.needs == 0 || !v.is_settled) return;
    Operation& o = operations[v.op];
    if (!o.has_recipe || !o.repeatable) return;
    v.is_settled = false;
    ++o.needed_outputs;
  }

  // What was changed in place cannot be remade: the change would be lost.
  void note_changes(const Storage& storage) {
    for (const value_number value : storage.values) {
      Value& v = values[value];
      if (v.is_defined && replay.has_changed(v.payload, v.made)) v.is_spoilt = true;
    }
  }

  [[nodiscard]] std::vector<std::uint64_t> numbers_to_tell(const Storage& storage) const {
    std::vector<std::uint64_t> numbers;
    if (!observer) return numbers;
    for (const value_number value : storage.values) {
      const Value& v = values[value];
      if (v.is_defined && v.op != none) numbers.push_back(v.number);
    }
    return numbers;
  }

  void empty(storage_id id) {
    leave_pool(id);
    Storage& storage = storages[id];
    storage.is_present = false;
    hold(held - storage.bytes);
    for (const value_number value : storage.values) values[value].is_defined = false;
    for (const value_number value : storage.values) values[value].payload = Payload{};
  }

  // A view alone, of a storage that stays.
  void undefine(value_number value) {
    if (!std::exchange(values[value].is_defined, false)) return;
    values[value].payload = Payload{};
    if (values[value].op != none) notify(StoreEvent::Kind::drop, values[value].number, held);
  }

  void notify(StoreEvent::Kind kind, std::uint64_t number, byte_count during) const {
    if (observer) observer({kind, number, clock, held, during});
  }

  // ---- records --------------------------------------------------------------------------------

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

  [[nodiscard]] storage_id take_storage() {
    const storage_id of_graph = graph.add();
    if (of_graph >= storages.size()) storages.resize(of_graph + 1);
    storages[of_graph].is_in_use = true;
    storages[of_graph].born = next_born++;
    ++remembered;
    return of_graph;
  }

  [[nodiscard]] value_number take_value(operation_number op, storage_id storage) {
    const value_number value = take(values, free_values);
    values[value].op = op;
    values[value].storage = storage;
    storages[storage].values.push_back(value);
    ++storages[storage].references;
    ++all_references;
    need(value);
    return value;
  }

  void collect_if_due() {
    if (remembered < collect_at) return;
    collect();
    collect_at = std::max<std::size_t>(1024, 2 * remembered);
  }

  // Forgets what nobody needs and no neighbourhood of anything that could be evicted leads to.
  void collect() {
    std::vector<storage_id> reached;
    const auto mark = [&](storage_id id) {
      if (!std::exchange(storages[id].is_marked, true)) reached.push_back(id);
    };
    for (storage_id id = 0; id < storages.size(); ++id) {
      if (storages[id].is_in_use && (storages[id].is_present || storages[id].needs > 0)) mark(id);
    }
    while (!reached.empty()) {
      const storage_id id = reached.back();
      reached.pop_back();
      graph.for_each_neighbour(id, mark);
    }
    for (storage_id id = 0; id < storages.size(); ++id) {
      Storage& storage = storages[id];
      const bool is_kept = std::exchange(storage.is_marked, false);
      if (!storage.is_in_use) continue;
      if (is_kept && !storage.is_pinned) continue;
      std::erase_if(storage.values, [&](value_number value) {
        if (values[value].needs > 0) return false;
        forget_value(value);
        return true;
      });
      if (!is_kept) forget_storage(id);
    }
  }

  void forget_value(value_number value) {
    const operation_number op = values[value].op;
    give_back(values, free_values, value);
    if (op != none && --operations[op].remembered_outputs == 0) {
      give_back(operations, free_operations, op);
    }
  }

  void forget_storage(storage_id id) {
    graph.remove(id);
    const bool was_stale = storages[id].is_stale;
    storages[id] = Storage{.is_stale = was_stale};  // it is still in the list of those
    --remembered;
  }

  void close() noexcept {
    is_closed = true;
    observer = nullptr;
    for (Value& value : values) value.payload = Payload{};
    for (Operation& op : operations) op.function = nullptr;
    account->settle(held, 0);
    held = 0;
  }

  std::shared_ptr<MemoryAccount> account;
  Policy policy;
  std::uint64_t seed;
  Check replay;
  StorageGraph graph;
  Victims victims{};
  std::vector<Value> values{};
  std::vector<Storage> storages{};  ///< numbered as in `graph`
  std::vector<Operation> operations{};
  std::vector<std::uint32_t> free_values{};
  std::vector<std::uint32_t> free_operations{};
  std::vector<Frame> frames{};
  std::vector<value_number> missing{};
  std::vector<storage_id> locked{};  ///< by operations, once for each lock
  std::vector<storage_id> fresh{};
  std::vector<std::uint64_t> unwanted{};
  std::vector<storage_id> stale{};
  std::vector<storage_id> changed{};
  std::vector<value_number> unneeded{};
  std::function<void(const StoreEvent&)> observer{};
  byte_count held = 0;
  std::uint64_t clock = 1;
  std::uint64_t recomputed_cost = 0;
  std::uint64_t evictions = 0;
  std::uint64_t next_operation = 0;
  std::uint64_t next_value = 0;
  std::uint64_t next_constant = 0;
  std::uint64_t next_born = 0;
  std::uint64_t next_joined = 0;
  std::uint64_t running_number = 0;
  CurrentRun current;
  std::size_t pool_size = 0;
  std::size_t all_references = 0;  ///< handles of any value
  std::size_t remembered = 0;
  std::size_t collect_at = 1024;
  bool is_draining = false;
  bool is_running = false;
  bool is_closed = false;
};

}  // namespace reprise::inline v0
