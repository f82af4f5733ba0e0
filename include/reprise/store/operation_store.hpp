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
/// and stays until room is needed.
///
/// The order of evictions is that of the published simulator of DTR (Kirisame et al., ICLR 2021,
/// arXiv:2006.09616): values join the pool of what may go when an operation has made them or has
/// stopped reading them, the lowest score goes, of equal ones the one that joined latest.
///
/// Not to be used from several threads at once. A function must compute the same outputs from the
/// same inputs each time, must not hand operations to the store, and may ask `make_room` (through
/// the engine's allocator, say).
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
    std::vector<std::size_t> consumes{};  ///< inputs whose memory it takes over: gone once it ran
    bool repeatable = true;               ///< if not, its outputs stay until they are released
    Function run{};                       ///< runs at once, and again when an output is remade
  };

  /// @param account the budget, shared with other stores
  /// @param seed    of the operations' random streams
  explicit OperationStore(std::shared_ptr<MemoryAccount> account, Policy policy = {},
                          std::uint64_t seed = 0)
      : core_(std::make_shared<Core>(std::move(account), std::move(policy), seed)) {}
  explicit OperationStore(byte_count budget, Policy policy = {}, std::uint64_t seed = 0)
      : OperationStore(std::make_shared<MemoryAccount>(budget), std::move(policy), seed) {}

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
  ///   exist, or a constant or kept value that it would take over; BudgetExceeded, naming what
  ///   stays, if it does not fit although nothing is left to evict; ProfileMismatch if an output
  ///   takes more than it was said to; InvalidState inside a running operation or for an input that
  ///   is gone for good; and what the functions throw. After an exception the operation was not
  ///   handed over, and all other values are still to be had.
  std::vector<Handle> run(const Request& request) {
    const operation_number op = core_->add_operation(request);
    core_->run_first(op);
    std::vector<Handle> handles;
    for (const value_number value : core_->outputs(op)) handles.push_back(Handle(core_, value));
    core_->settle(op);
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
    core_->materialise(handle.value_);
    return Pin(core_, handle.value_);
  }

  /// Makes a value present and never evicts it again: a result, a parameter. Its function and what
  /// only that needs are forgotten.
  /// @throws as `run`; InvalidState if an operation that may run again takes over its memory.
  void keep(const Handle& handle) {
    core_->check(handle);
    core_->materialise(handle.value_);
    core_->pin_for_good(handle.value_);
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

  /// Calls f with each event from now on; an empty function ends that.
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

/// Holds a value present, and gives access to it.
template <std::default_initializable Payload, EvictionPolicy Policy>
requires(std::movable<Payload>) class OperationStore<Payload, Policy>::Pin {
 public:
  Pin(Pin&& other) noexcept : core_(std::move(other.core_)), value_(other.value_) {}
  Pin& operator=(Pin other) noexcept {
    std::swap(core_, other.core_);
    std::swap(value_, other.value_);
    return *this;
  }
  Pin(const Pin&) = delete;
  ~Pin() {
    if (core_) core_->unlock_value(value_);
  }

  /// The value; undefined in a pin that was moved from.
  [[nodiscard]] Payload& operator*() const noexcept { return core_->values[value_].payload; }
  /// The value; undefined in a pin that was moved from.
  [[nodiscard]] Payload* operator->() const noexcept { return &**this; }

 private:
  friend class OperationStore;
  Pin(std::shared_ptr<Core> core, value_number value) : core_(std::move(core)), value_(value) {
    core_->lock_value(value_);
  }

  std::shared_ptr<Core> core_;
  value_number value_;
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

  struct Value {
    operation_number op = none;
    storage_id storage = none;
    std::uint64_t number = 0;
    std::size_t needs = 0;  ///< handles, and operations that may run again and read it
    bool is_view = false;
    bool is_defined = false;
    bool is_settled = false;  ///< never remade: its function need not be kept for it
    Payload payload{};
  };
  struct Storage {
    byte_count bytes = 0;
    std::uint64_t last_access = 0;
    std::uint64_t joined = 0;
    std::size_t references = 0;  ///< handles to any of its values
    std::size_t needs = 0;
    std::size_t locks = 0;  ///< by pins and by operations that are about to read it
    std::size_t pins = 0;
    std::size_t consumers = 0;  ///< operations that may run again and take over its memory
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
    Function function{};
    std::size_t needed_outputs = 0;
    std::size_t remembered_outputs = 0;
    bool repeatable = true;
    bool has_run = false;
    bool has_recipe = false;
  };
  struct Frame {
    operation_number op;
    std::size_t asked;          ///< which output the remake is for
    std::size_t first_missing;  ///< in `missing`
    std::size_t first_lock;     ///< in `locked`
    bool has_begun = false;
  };

  Core(std::shared_ptr<MemoryAccount> shared, Policy chosen, std::uint64_t random_seed)
      : account(std::move(shared)),
        policy(std::move(chosen)),
        seed(random_seed),
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
    values[value].payload = std::move(payload);
    values[value].is_defined = true;
    values[value].is_settled = true;
    mark_present(storage);
    return value;
  }

  [[nodiscard]] operation_number add_operation(const Request& request) {
    check_not_running();
    check_request(request);
    collect_if_due();
    const operation_number op = take(operations, free_operations);
    Operation& o = operations[op];
    o.cost = request.cost;
    o.number = next_operation++;
    o.transient_bytes = request.transient_bytes;
    o.consumes = request.consumes;
    o.function = request.run;
    o.repeatable = request.repeatable;
    o.has_recipe = true;
    for (const Handle& input : request.inputs) {
      o.inputs.push_back(input.value_);
      need(input.value_);
    }
    for (const std::size_t index : o.consumes) ++consumed_storage(o, index).consumers;
    for (const Output& output : request.outputs) add_output(op, output);
    link(op);
    return op;
  }

  void check_request(const Request& request) const {
    for (const Handle& input : request.inputs) check(input);
    const auto check_index = [&](std::size_t index, const char* what) {
      if (index < request.inputs.size()) return;
      throw InvalidArgument(std::string(what) + " input " + std::to_string(index) + " of " +
                            std::to_string(request.inputs.size()));
    };
    for (const Output& output : request.outputs) {
      if (output.view_of) check_index(*output.view_of, "a view of");
    }
    for (const std::size_t index : request.consumes) {
      check_index(index, "consumes");
      if (storages[values[request.inputs[index].value_].storage].is_kept) {
        throw InvalidArgument("an operation cannot take over input " + std::to_string(index) +
                              ", which is a constant or was kept");
      }
      check_read_once(request, index);
    }
  }

  void check_read_once(const Request& request, std::size_t consumed) const {
    const storage_id storage = values[request.inputs[consumed].value_].storage;
    for (std::size_t i = 0; i < request.inputs.size(); ++i) {
      if (i == consumed || values[request.inputs[i].value_].storage != storage) continue;
      throw InvalidArgument("an operation cannot take over input " + std::to_string(consumed) +
                            " and read it as input " + std::to_string(i) + " too");
    }
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
    try {
      materialise_operation(op, 0);
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
      if (storages[values[output].storage].is_pinned) settle_value(output);
    }
    if (operations[op].needed_outputs == 0) forget_recipe(op);
    if (operations[op].outputs.empty()) give_back(operations, free_operations, op);
  }

  void take_back(operation_number op) {
    const std::vector<value_number> made = operations[op].outputs;
    for (const value_number value : made) {
      values[value].is_settled = true;
      --operations[op].needed_outputs;
    }
    forget_recipe(op);
    for (const value_number value : made) {
      const storage_id storage = values[value].storage;
      --storages[storage].references;
      --storages[storage].needs;
      std::erase(storages[storage].values, value);
      const bool is_view = values[value].is_view;
      give_back(values, free_values, value);
      if (is_view) continue;
      graph.isolate(storage);
      forget_storage(storage);
    }
    give_back(operations, free_operations, op);
  }

  // ---- references -----------------------------------------------------------------------------

  void retain(value_number value) noexcept {
    ++storages[values[value].storage].references;
    need(value);
  }

  void release(value_number value) {
    if (is_closed) return;
    const storage_id id = values[value].storage;
    Storage& storage = storages[id];
    --storage.references;
    if (storage.references == 0 && storage.is_present && !storage.is_pinned) {
      if (storage.locks == 0) {
        evict(id);
      } else {
        storage.was_released = true;
      }
    }
    unneed(value);
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

  // A pinned storage goes with the last of its values that anybody needs, a view of it alone.
  void let_go_of_pinned(storage_id id, value_number value) {
    if (storages[id].needs == 0) {
      free_for_good(id);
    } else {
      undefine(value, true);
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
    for (const std::size_t index : o.consumes) --consumed_storage(o, index).consumers;
    unneeded.insert(unneeded.end(), o.inputs.begin(), o.inputs.end());
    const Function forgotten = std::move(o.function);
    drain();
  }

  [[nodiscard]] Storage& consumed_storage(const Operation& o, std::size_t index) {
    return storages[values[o.inputs[index]].storage];
  }

  void pin_for_good(value_number value) {
    const storage_id id = values[value].storage;
    Storage& storage = storages[id];
    if (storage.consumers > 0) {
      throw InvalidState("value " + std::to_string(values[value].number) +
                         " cannot be kept: " + std::to_string(storage.consumers) +
                         " operations that may run again take over its memory");
    }
    storage.is_kept = true;
    if (storage.is_pinned) return;
    leave_pool(id);
    storage.is_pinned = true;
    graph.isolate(id);
    const std::vector<value_number> all = storage.values;
    for (const value_number each : all) {
      if (values[each].is_defined) settle_value(each);
    }
  }

  // ---- making things present ------------------------------------------------------------------

  void check_not_running() const {
    if (is_running)
      throw InvalidState("an operation was handed over from inside operation " +
                         std::to_string(running_number));
  }

  void materialise(value_number value) {
    check_not_running();
    if (!values[value].is_defined) materialise_operation(values[value].op, index_in_maker(value));
  }

  [[nodiscard]] std::size_t index_in_maker(value_number value) const {
    const std::vector<value_number>& all = operations[values[value].op].outputs;
    return static_cast<std::size_t>(std::ranges::find(all, value) - all.begin());
  }

  void materialise_operation(operation_number first, std::size_t asked) {
    frames.push_back({first, asked, missing.size(), locked.size()});
    try {
      while (!frames.empty()) step();
    } catch (...) {
      while (!locked.empty()) {
        const storage_id storage = locked.back();
        locked.pop_back();
        if (storage != none) unlock(storage);
      }
      frames.clear();
      missing.clear();
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
      if (!values[value].is_defined) {
        frames.push_back({values[value].op, index_in_maker(value), missing.size(), locked.size()});
        return;
      }
      missing.pop_back();
      lock(values[value].storage);
      // Remaking one input may have taken over the memory of another, an ancestor of it.
      if (missing.size() == frame.first_missing) list_missing(frame.op);
    }
    const Frame done = frame;
    compute(done);
    unlock_inputs(done);
    frames.pop_back();
  }

  void begin(Frame& frame) {
    frame.has_begun = true;
    const Operation& o = operations[frame.op];
    if (o.has_run && !o.repeatable) {
      throw InvalidState("operation " + std::to_string(o.number) +
                         " is not repeatable, and what it made is gone");
    }
    for (const value_number input : o.inputs) {
      storages[values[input].storage].last_access = clock;
      mark_stale(values[input].storage);
    }
    for (const value_number input : o.inputs) {
      if (values[input].is_defined) lock(values[input].storage);
    }
    list_missing(frame.op);
  }

  void list_missing(operation_number op) {
    const std::vector<value_number>& inputs = operations[op].inputs;
    for (std::size_t i = inputs.size(); i-- > 0;) {
      if (!values[inputs[i]].is_defined) missing.push_back(inputs[i]);
    }
  }

  void compute(const Frame& frame) {
    Operation& o = operations[frame.op];
    byte_count consumed = 0;
    for (const std::size_t index : o.consumes) consumed += consumed_bytes(o, index);
    const byte_count extra = o.output_bytes + o.transient_bytes;
    ensure_room(extra, consumed, [&] { return "operation " + std::to_string(o.number); });
    const byte_count during = held - consumed + extra;
    account->expect(held, during);
    std::vector<Payload> made = call(o);
    for (const std::size_t index : o.consumes) take_away(values[o.inputs[index]].storage);
    const bool is_rerun = std::exchange(o.has_run, true);
    clock += o.cost;
    if (is_rerun) recomputed_cost += o.cost;
    const std::size_t first_new = fresh.size();
    for (std::size_t i = 0; i < o.outputs.size(); ++i) {
      Value& value = values[o.outputs[i]];
      if (value.is_defined) continue;
      if (!value.is_view && storages[value.storage].is_present) {
        unwanted.push_back(value.number);  // let go of, while a view keeps the first copy's memory
        continue;
      }
      value.is_defined = true;
      value.payload = std::move(made[i]);
      if (storages[value.storage].is_present) continue;
      mark_present(value.storage);
      if (i != frame.asked) fresh.push_back(value.storage);
    }
    if (frame.asked < o.outputs.size()) fresh.push_back(values[o.outputs[frame.asked]].storage);
    for (std::size_t i = first_new; i < fresh.size(); ++i) join_pool(fresh[i]);
    fresh.resize(first_new);
    made.clear();  // second copies
    notify(is_rerun ? StoreEvent::Kind::rerun : StoreEvent::Kind::run, o.number, during);
    for (const std::uint64_t number : unwanted) notify(StoreEvent::Kind::drop, number, held);
    unwanted.clear();
  }

  [[nodiscard]] byte_count consumed_bytes(const Operation& o, std::size_t index) const {
    const Storage& storage = storages[values[o.inputs[index]].storage];
    if (storage.pins > 0) {
      throw InvalidState("operation " + std::to_string(o.number) + " takes over input " +
                         std::to_string(index) + ", which is pinned");
    }
    return storage.bytes;
  }

  [[nodiscard]] std::vector<Payload> call(Operation& o) {
    std::vector<Payload> made(o.outputs.size());
    if (!o.function) return made;
    std::vector<Payload*> inputs;
    inputs.reserve(o.inputs.size());
    for (const value_number input : o.inputs) inputs.push_back(&values[input].payload);
    PassContext pass({.seed = seed, .step = o.number}, PassMode::training);
    pass.enter(PassContext::NodeFacts{.is_recompute = o.has_run});
    is_running = true;
    running_number = o.number;
    try {
      o.function(inputs, made, pass);
    } catch (...) {
      is_running = false;
      throw;
    }
    is_running = false;
    check_bytes(o, made);
    return made;
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
    for (const value_number input : operations[frame.op].inputs) {
      if (storages[values[input].storage].is_present) unlock(values[input].storage);
    }
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

  void unlock(storage_id id) {
    Storage& storage = storages[id];
    if (--storage.locks > 0) return;
    const bool was_released = std::exchange(storage.was_released, false);
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
    if (storage.is_pinned || storage.is_in_pool || storage.locks > 0) return;
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
    while (account->live_bytes() - freed + extra > account->budget_bytes()) {
      const storage_id victim = choose();
      if (victim == none) {
        const byte_count needed = account->live_bytes() - freed + extra;
        throw BudgetExceeded(name() + " needs " + std::to_string(needed) +
                                 " bytes of a budget of " +
                                 std::to_string(account->budget_bytes()) +
                                 ", and nothing is left to evict: " + describe_what_stays(),
                             account->budget_bytes(), needed);
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
    empty(id, true);
    graph.evict(id);
  }

  // A rerun for the sake of another output may make it once more: then it can be evicted.
  void free_for_good(storage_id id) {
    storages[id].is_pinned = false;
    storages[id].is_kept = false;
    empty(id, true);
    graph.unmake(id);
  }

  // An operation took over its memory, which is no drop of its own. Operations further up that were
  // about to read it find it missing again.
  void take_away(storage_id id) {
    storages[id].locks = 0;
    std::ranges::replace(locked, id, none);
    empty(id, false);
    if (storages[id].is_pinned) {
      graph.unmake(id);
    } else {
      graph.evict(id);
    }
  }

  void empty(storage_id id, bool tell) {
    leave_pool(id);
    Storage& storage = storages[id];
    storage.is_present = false;
    hold(held - storage.bytes);
    for (const value_number value : storage.values) values[value].payload = Payload{};
    for (const value_number value : storage.values) undefine(value, tell);
  }

  void undefine(value_number value, bool tell) {
    if (!std::exchange(values[value].is_defined, false)) return;
    values[value].payload = Payload{};
    if (tell && values[value].op != none) {
      notify(StoreEvent::Kind::drop, values[value].number, held);
    }
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
    ++remembered;
    return of_graph;
  }

  [[nodiscard]] value_number take_value(operation_number op, storage_id storage) {
    const value_number value = take(values, free_values);
    values[value].op = op;
    values[value].storage = storage;
    storages[storage].values.push_back(value);
    ++storages[storage].references;
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
  StorageGraph graph;
  Victims victims{};
  std::vector<Value> values{};
  std::vector<Storage> storages{};  ///< numbered as in `graph`
  std::vector<Operation> operations{};
  std::vector<std::uint32_t> free_values{};
  std::vector<std::uint32_t> free_operations{};
  std::vector<Frame> frames{};
  std::vector<value_number> missing{};
  std::vector<storage_id> locked{};  ///< by operations; `none` where the memory was taken over
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
  std::uint64_t next_joined = 0;
  std::uint64_t running_number = 0;
  std::size_t pool_size = 0;
  std::size_t remembered = 0;
  std::size_t collect_at = 1024;
  bool is_draining = false;
  bool is_running = false;
  bool is_closed = false;
};

}  // namespace reprise::inline v0
