// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Runs operations as they come, within a budget: evicts and recomputes by itself.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/eviction/eviction_policy.hpp>
#include <reprise/eviction/storage_graph.hpp>
#include <reprise/store/eviction_pool.hpp>
#include <reprise/store/memory_account.hpp>
#include <reprise/store/operation_output.hpp>
#include <reprise/store/operation_request.hpp>
#include <reprise/store/operation_runner.hpp>
#include <reprise/store/operation_store_options.hpp>
#include <reprise/store/references.hpp>
#include <reprise/store/remat_stack.hpp>
#include <reprise/store/sizes_only.hpp>
#include <reprise/store/store_event.hpp>
#include <reprise/store/store_records.hpp>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// Runs an engine's operations one after another within a budget, for programs that are not known
/// beforehand: what needs room evicts other values, and what was evicted is recomputed when it is
/// read.
///
/// The engine hands over each operation with its cost, the bytes that it will make and the function
/// that computes them, and gets a handle for each output. A handle whose last copy goes releases
/// its value: the bytes at once, the function as soon as nothing may need it. `pin` makes a value
/// present and holds it there. Recomputing is iterative, so that depth is no limit. Outputs that
/// are views of an input share its storage and are evicted with it; a rerun makes all outputs, and
/// second copies go at its end. What was recomputed only on the way to something else can be
/// evicted, and stays until room is needed, or nobody holds a handle any more.
///
/// An operation may take over the memory of inputs: these are gone once it ran, whoever else holds
/// them, with all that shares their storage, and are recomputed by their own operations when they
/// are read. So a recompute may take over what a recompute further up is about to read, which is
/// then recomputed once more, the latest storage first. What can never be recomputed is gone for
/// good once it was taken over; what was made from it is made present first and stays, as the
/// outputs of the operation do. After a function threw, what it was to take over counts as taken
/// over.
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
/// @tparam Payload what a value is: the engine's tensor; `SizesOnly` makes the store a simulator
/// @tparam Policy  chooses what goes
template <std::default_initializable Payload = SizesOnly, EvictionPolicy Policy = DtrEqClass>
requires(std::movable<Payload>) class OperationStore {
  struct Core;

 public:
  class Handle;
  class Pin;

  /// Computes outputs from inputs; the context has the operation's own random stream and says
  /// whether it runs again.
  using Function = typename storing::StoreRecords<Payload>::Function;

  /// One output of an operation.
  using Output = OperationOutput;

  /// One operation.
  struct Request {
    std::uint64_t cost = 0;               ///< FLOPs, nanoseconds: any unit, the same for all
    std::vector<Handle> inputs{};         ///< in the order in which `run` gets them
    std::vector<Output> outputs{};        ///< in the order in which `run` fills them
    byte_count transient_bytes = 0;       ///< beyond all that it makes
    std::vector<std::size_t> consumes{};  ///< inputs whose storages it takes over, with all views
    bool repeatable = true;               ///< if not, its outputs stay until they are released
    Function run{};                       ///< runs at once, and again when an output is recomputed
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

  /// Runs an operation, whatever it must recompute and evict for it.
  /// @returns a handle for each output
  /// @throws InvalidArgument for an empty input or one of another store, an index that does not
  ///   exist, bytes or costs whose sum passes 2^64 - 1, or what it cannot take over: a constant, a
  ///   kept value, a storage that it reads or names twice, or that an output is to be a view of;
  ///   BudgetExceeded, naming what stays, if it does not fit although nothing is left to evict;
  ///   ProfileMismatch if an output takes more than it was said to; ReplayMismatch if a rerun reads
  ///   or makes something else than the first run; InvalidState inside a running operation, for an
  ///   input that is gone for good, for one to be taken over that is pinned, or if inputs cannot be
  ///   present together, since recomputing each takes over another; and what the functions throw.
  ///   After an exception the operation was not handed over, and all other values are still to be
  ///   had, but for what it was to take over and nothing can recompute.
  std::vector<Handle> run(const Request& request) {
    const std::shared_ptr<Core> core = core_;  // a function may let go of the store
    std::vector<Handle> handles;
    handles.reserve(request.outputs.size());
    const operation_number op = core->add_operation(request);
    core->stack.run_first(op);
    for (const value_number value : core->records.operation(op).outputs) {
      handles.push_back(Handle(core, value));
    }
    core->settle(op);
    return handles;
  }

  /// Runs an operation that overwrites one of its inputs: the handle then means the new value.
  ///
  /// The old value stays retrievable for whoever else holds it: an update makes a new storage.
  void update(Handle& overwritten, const Request& request) {
    if (request.outputs.size() != 1) {
      throw InvalidArgument("an update makes one value, not " +
                            std::to_string(request.outputs.size()));
    }
    overwritten = std::move(run(request).front());
  }

  /// Makes a value present, however much that takes, and holds it there as long as the pin lives.
  /// @throws as `run`
  [[nodiscard]] Pin pin(const Handle& handle) {
    core_->check(handle);
    Handle held = handle;  // the function that recomputes it may let go of the caller's
    held.core_->stack.materialise(held.value_);
    return Pin(std::move(held));
  }

  /// Makes a value present and never evicts it again: a result, a parameter. Its function and what
  /// only that needs are forgotten.
  /// @throws as `run`; InvalidState if an operation that may run again takes over its memory.
  void keep(const Handle& handle) {
    core_->check(handle);
    const Handle held = handle;
    held.core_->references.check_can_stay(held.value_);
    held.core_->stack.materialise(held.value_);
    held.core_->references.keep(held.value_);
  }

  /// Evicts a value, with all that shares its storage, if it is present and can go.
  /// @returns true if it went
  bool evict(const Handle& handle) {
    core_->check(handle);
    return core_->pool.evict_if_possible(core_->records.storage_of(handle.value_));
  }

  /// Evicts until at least so many bytes have gone or nothing is left that could; for an engine's
  /// allocator that has run out.
  /// @returns the bytes that went
  byte_count make_room(byte_count bytes) { return core_->pool.make_room(bytes); }

  /// Inside a function that runs for the first time: one of its outputs takes more bytes than was
  /// said. Evicts what it takes to make room for them. A view takes none of its own.
  /// @returns whether there is room; if not, the function must throw
  /// @throws InvalidState outside of functions and in a rerun; InvalidArgument for an output that
  ///   the operation does not have.
  [[nodiscard]] bool grow_output(std::size_t output, byte_count bytes) {
    return core_->runner.grow_output(output, bytes);
  }
  /// The same for what the operation takes beyond its outputs.
  /// @throws InvalidState as `grow_output`
  [[nodiscard]] bool grow_transient(byte_count bytes) {
    return core_->runner.grow_transient(bytes);
  }

  /// Whether the value has its bytes now, so that `pin` would recompute nothing.
  /// @throws InvalidArgument for an empty handle or one of another store
  [[nodiscard]] bool is_present(const Handle& handle) const {
    core_->check(handle);
    return core_->records.value(handle.value_).is_defined;
  }
  /// Bytes held by this store.
  [[nodiscard]] byte_count live_bytes() const noexcept { return core_->pool.held_bytes(); }
  /// The cost of all that has run; starts at 1.
  [[nodiscard]] std::uint64_t clock() const noexcept { return core_->records.clock(); }
  /// The cost of all runs after an operation's first.
  [[nodiscard]] std::uint64_t recomputed_cost() const noexcept {
    return core_->runner.recomputed_cost();
  }
  /// Values that were evicted to make room.
  [[nodiscard]] std::uint64_t evictions() const noexcept { return core_->pool.evictions(); }
  /// Storages whose functions or neighbourhoods are still remembered, present or not.
  [[nodiscard]] std::size_t remembered() const noexcept { return core_->records.remembered(); }
  /// The budget and what is held of it, by other stores too.
  [[nodiscard]] const MemoryAccount& account() const noexcept { return core_->pool.account(); }

  /// Calls f with each event from now on; an empty function ends that. It must not use the store,
  /// nor let an exception out: values also go where a handle ends.
  void observe(const std::function<void(const StoreEvent&)>& f) { core_->pool.observe(f); }

 private:
  using operation_number = storing::operation_number;
  using value_number = storing::value_number;

  std::shared_ptr<Core> core_;
};

/// A counted reference to a value: as long as one lives, the value can be had.
template <std::default_initializable Payload, EvictionPolicy Policy>
requires(std::movable<Payload>) class OperationStore<Payload, Policy>::Handle {
 public:
  Handle() noexcept = default;
  Handle(const Handle& other) noexcept : core_(other.core_), value_(other.value_) {
    if (core_) core_->references.retain(value_);
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
    if (held_) held_.core_->stack.unpin(held_.value_);
  }

  /// The value; undefined in a pin that was moved from.
  [[nodiscard]] Payload& operator*() const noexcept {
    return held_.core_->records.value(held_.value_).payload;
  }
  /// The value; undefined in a pin that was moved from.
  [[nodiscard]] Payload* operator->() const noexcept { return &**this; }

 private:
  friend class OperationStore;
  explicit Pin(Handle held) : held_(std::move(held)) { held_.core_->stack.pin(held_.value_); }

  Handle held_;
};

// The parts, of which each knows those before it, and the store's way through them.
template <std::default_initializable Payload, EvictionPolicy Policy>
requires(std::movable<Payload>) struct OperationStore<Payload, Policy>::Core {
  Core(std::shared_ptr<MemoryAccount> account, Policy policy, const OperationStoreOptions& options)
      : records(neighbourhood_of<Policy>(), options.verify_replay),
        pool(records, std::move(account), std::move(policy)),
        references(records, pool),
        runner(records, pool, references, options.seed),
        stack(records, pool, references, runner) {}

  void check(const Handle& handle) const {
    if (handle.core_.get() == this) return;
    throw InvalidArgument(handle ? "a handle of another store" : "an empty handle");
  }

  [[nodiscard]] value_number add_constant(Payload payload, byte_count bytes) {
    runner.check_not_running();
    pool.ensure_room(bytes, 0, [] { return std::string("a constant"); });
    pool.expect(pool.held_bytes() + bytes);
    const storage_id id = records.add_storage(bytes);
    records.storage(id).is_pinned = true;
    records.storage(id).is_kept = true;
    records.graph().isolate(id);
    const value_number value = records.add_value(storing::no_number, id);
    references.retain(value);
    auto& v = records.value(value);
    v.payload = std::move(payload);
    v.made = records.replay().made(v.payload);
    v.is_defined = true;
    v.is_settled = true;
    pool.make_present(id);
    return value;
  }

  [[nodiscard]] operation_number add_operation(const Request& request) {
    runner.check_not_running();
    storing::OperationRequest<Payload> numbered = in_numbers(request);
    numbered.check(records);
    stack.secure_dependants(numbered);
    records.collect_if_due();
    return references.add(std::move(numbered));
  }

  [[nodiscard]] storing::OperationRequest<Payload> in_numbers(const Request& request) const {
    std::vector<value_number> inputs;
    inputs.reserve(request.inputs.size());
    for (const Handle& input : request.inputs) {
      check(input);
      inputs.push_back(input.value_);
    }
    return {.cost = request.cost,
            .inputs = std::move(inputs),
            .outputs = request.outputs,
            .transient_bytes = request.transient_bytes,
            .consumes = request.consumes,
            .repeatable = request.repeatable,
            .function = request.run};
  }

  void settle(operation_number op) {
    references.settle(op);
    stack.clear_if_nobody_holds();
  }

  void release(value_number value) {
    if (records.is_closed()) return;
    references.release(value);
    stack.clear_if_nobody_holds();
  }

  void close() noexcept {
    pool.observe(nullptr);
    records.close();
    pool.close();
  }

  storing::StoreRecords<Payload> records;
  storing::EvictionPool<Payload, Policy> pool;
  storing::References<Payload, Policy> references;
  storing::OperationRunner<Payload, Policy> runner;
  storing::RematStack<Payload, Policy> stack;
};

}  // namespace reprise::inline v0
