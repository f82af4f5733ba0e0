// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Hands the operations of a known program to a store that runs operations as they come.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/eviction/eviction_policy.hpp>
#include <reprise/program/grown_bytes.hpp>
#include <reprise/program/last_uses.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/release_points.hpp>
#include <reprise/program/repeatability.hpp>
#include <reprise/program/storages.hpp>
#include <reprise/store/memory_account.hpp>
#include <reprise/store/online_event.hpp>
#include <reprise/store/operation_store.hpp>
#include <reprise/store/sizes_only.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// Hands a program's operations one by one to an `OperationStore`, in the program's own terms, and
/// lets go of each value where the program does (`release_points`).
///
/// Whoever simulates a program and whoever runs it do it through this class, so that both see the
/// same events. What the store still holds goes with it.
///
/// Where an operation takes over a value and another one in the same storage is needed all the same
/// (a view that holds on to its bytes), the store is not told of the taking over: the storage stays
/// for the other value, and nothing that reads the value that went runs again.
/// @tparam Payload what a value is; `SizesOnly` makes it a simulation
/// @tparam P       chooses what goes
template <std::default_initializable Payload = SizesOnly, EvictionPolicy P = DtrEqClass>
class OperationFeed {
 public:
  /// Computes an operation's outputs; `at` gives its inputs and outputs meanwhile.
  using Function = std::function<void(operation_id op, bool is_rerun)>;

  /// Holds the program's inputs and constants from here on.
  /// @param program must outlive the feed
  /// @param account the budget, shared with others
  /// @param run     called for each run of an operation; empty for a simulation
  /// @throws BudgetExceeded if the constants do not fit.
  OperationFeed(const Program& program, std::shared_ptr<MemoryAccount> account, P policy,
                Function run = {})
      : program_(program),
        bytes_(program),
        run_(std::move(run)),
        repeatability_(program),
        runs_again_(program.operations().size(), 0),
        released_(release_points(program)),
        handles_(program.values().size()),
        places_(run_ ? program.values().size() : 0, nullptr),
        inputs_(program.values().size()),
        leaves_storage_(find_leaving(program)),
        store_(std::move(account), std::move(policy)) {
    for (value_id v = 0; v < program.values().size(); ++v) {
      if (program.is_given(v)) handles_[v] = store_.constant({}, program.values()[v].bytes);
    }
  }
  OperationFeed(const OperationFeed&) = delete;
  OperationFeed& operator=(const OperationFeed&) = delete;
  OperationFeed(OperationFeed&&) = delete;
  OperationFeed& operator=(OperationFeed&&) = delete;
  ~OperationFeed() = default;

  /// Hands over the next operation, whatever must be evicted and recomputed for it. What it makes
  /// and stays is never evicted.
  /// @param is_pinned nothing that it makes may be evicted
  /// @throws InvalidGraph if it uses the memory of what it does not read; and as
  ///   `OperationStore::run`.
  void run(operation_id op, bool is_pinned = false) {
    const Operation& o = program_.operations()[op];
    for (const value_id written : o.writes) value_of_number_.push_back(written);
    const bool may_run_again = !is_pinned && can_be_recomputed(op);
    runs_again_[op] = may_run_again ? 1 : 0;
    std::vector<Handle> made = store_.run(request(op, may_run_again));
    for (std::size_t i = 0; i < made.size(); ++i) handles_[o.writes[i]] = std::move(made[i]);
    for (const value_id consumed : o.consumes) {
      if (leaves_storage(consumed)) handles_[consumed].reset();
    }
    if (may_run_again) {  // otherwise the store keeps what it made anyway
      for (const value_id written : o.writes) {
        if (program_.values()[written].stays) keep(written);
      }
    }
    rethrow_failure();
  }

  /// True for a value that some operation takes over, but not its storage, which others need.
  [[nodiscard]] bool leaves_storage(value_id value) const noexcept {
    return leaves_storage_[value] != 0;
  }

  /// Lets go of what the program lets go of once an operation ran.
  void release_after(operation_id op) {
    for (const value_id value : released_[op]) {
      if (!program_.is_given(value)) handles_[value].reset();
    }
    rethrow_failure();
  }

  /// Makes a value present and never evicts it again.
  /// @throws as `OperationStore::keep`
  void keep(value_id value) { store_.keep(handles_[value]); }

  /// Evicts a value that is there, can go and has not been let go of.
  void evict(value_id value) {
    if (handles_[value]) store_.evict(handles_[value]);
    rethrow_failure();
  }

  /// Evicts what was recomputed on the way and nobody asked for, and lets go of what the program
  /// never let go of, but for results and what stays: the end of the program.
  void finish() {
    evictions_ = store_.evictions();
    store_.make_room(unlimited_bytes - 1);
    std::vector<std::uint8_t> is_result(handles_.size(), 0);
    for (const value_id result : program_.results()) is_result[result] = 1;
    for (value_id v = 0; v < handles_.size(); ++v) {
      const bool is_left = is_result[v] != 0 || program_.values()[v].stays;
      if (!is_left && !program_.is_given(v)) handles_[v].reset();
    }
    rethrow_failure();
  }

  /// The bytes of a value in this pass, see `grow`.
  [[nodiscard]] byte_count bytes_of(value_id value) const noexcept { return bytes_.of(value); }
  /// Inside an operation's function: what it makes of a value is more than the program says.
  /// @returns whether there is room for it; if not, the function must throw
  [[nodiscard]] bool grow(value_id value, byte_count bytes) {
    const std::vector<value_id>& written = program_.operations()[running_].writes;
    const auto place = std::ranges::find(written, value) - written.begin();
    if (!store_.grow_output(static_cast<std::size_t>(place), bytes)) return false;
    bytes_.grow(value, bytes);
    return true;
  }
  /// The same for what it takes beyond all that it makes.
  [[nodiscard]] bool grow_transient(byte_count bytes) { return store_.grow_transient(bytes); }
  /// Between operations: everything has at least the bytes that another program of the same
  /// operations says. Linear in it.
  void grow_to(const Program& larger) { bytes_.grow_to(larger); }

  /// Inside an operation's function: one of the values that it reads, writes or adds to.
  [[nodiscard]] Payload& at(value_id value) noexcept { return *places_[value]; }

  /// Outside of operations: a value that cannot be evicted and has not been let go of.
  [[nodiscard]] Payload& kept(value_id value) { return *store_.pin(handles_[value]); }

  /// Calls f with each event from now on; an empty function ends that. Its first exception comes
  /// out of the call in which the event was, at its end: values also go where nothing may throw.
  void observe(OnlineObserver f) {
    if (!f) return store_.observe({});
    store_.observe([this, observer = std::move(f)](const StoreEvent& event) {
      try {
        observer(in_terms_of_program(event));
      } catch (...) {
        if (!failure_) failure_ = std::current_exception();
      }
    });
  }

  /// The cost of all reruns, in the program's unit.
  [[nodiscard]] double recomputed_cost() const {
    return static_cast<double>(store_.recomputed_cost()) / scale();
  }
  /// Values that were evicted to make room, up to the end of the program.
  [[nodiscard]] std::uint64_t evictions() const { return evictions_.value_or(store_.evictions()); }

 private:
  // An observer's.
  void rethrow_failure() {
    if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  }

  using Store = OperationStore<Payload, P>;
  using Handle = typename Store::Handle;
  using Request = typename Store::Request;

  // In which listing of an operation's inputs a value was last, and where.
  struct Input {
    std::uint64_t listing = 0;
    std::size_t place = 0;
  };

  // Seconds become nanoseconds: the store counts in whole numbers.
  [[nodiscard]] double scale() const { return program_.cost_is_flops() ? 1.0 : 1e9; }

  [[nodiscard]] Request request(operation_id op, bool may_run_again) {
    const Operation& o = program_.operations()[op];
    Request request{.cost = whole_cost(op),
                    .transient_bytes = bytes_.transient(op),
                    .repeatable = may_run_again};
    const std::vector<value_id> inputs = inputs_of(op);
    for (const value_id part : o.accumulates) {
      if (!o.adds_in_place) request.transient_bytes += bytes_.of(part);
    }
    for (const value_id input : inputs) request.inputs.push_back(handles_[input]);
    for (const value_id consumed : o.consumes) {
      if (!leaves_storage(consumed)) request.consumes.push_back(place(consumed));
    }
    for (const value_id written : o.writes) {
      const Value& value = program_.values()[written];
      typename Store::Output output{.bytes = bytes_.of(written)};
      if (value.view_of) output.view_of = place(*value.view_of);
      request.outputs.push_back(output);
    }
    if (run_) {
      request.run = [this, op](std::span<Payload* const> in, std::span<Payload> out,
                               PassContext& pass) { call(op, in, out, pass.is_recompute()); };
    }
    return request;
  }

  [[nodiscard]] std::uint64_t whole_cost(operation_id op) const {
    const double cost = program_.operations()[op].cost * scale();
    if (cost < 0x1p63) return static_cast<std::uint64_t>(std::llround(cost));
    throw InvalidArgument(program_.describe_operation(op) + " costs " + std::to_string(cost) +
                          (program_.cost_is_flops() ? " FLOPs" : " nanoseconds") +
                          ", more than 63 bits count");
  }

  // What it reads and somebody takes over must be recomputed for it, which is not done if it is
  // pinned.
  [[nodiscard]] bool can_be_recomputed(operation_id op) const {
    return repeatability_.may_run_again(op) &&
           std::ranges::all_of(program_.operations()[op].reads, [this](value_id read) {
             if (leaves_storage(read)) return false;
             return !repeatability_.is_taken_over(read) || runs_again_[program_.maker(read)] != 0;
           });
  }

  // A storage whose other values are read by the operation that takes one over, or later; and that
  // of a constant.
  [[nodiscard]] static std::vector<std::uint8_t> find_leaving(const Program& program) {
    std::vector<std::uint8_t> leaves(program.values().size(), 0);
    if (std::ranges::all_of(program.operations(), &std::vector<value_id>::empty,
                            &Operation::consumes)) {
      return leaves;
    }
    const std::vector<operation_id> last_use = uses_to_the_end(program);
    const std::vector<value_id> storages = storages_of(program);
    std::vector<std::vector<value_id>> sharers(storages.size());
    for (value_id v = 0; v < storages.size(); ++v) {
      if (!program.is_given(v)) sharers[storages[v]].push_back(v);
    }
    for (operation_id op = 0; op < program.operations().size(); ++op) {
      for (const value_id consumed : program.operations()[op].consumes) {
        const value_id storage = storages[consumed];
        const auto is_needed = [&](value_id other) {
          return other != consumed && program.maker(other) < op && last_use[other] >= op;
        };
        const bool is_given = program.values()[storage].view_of.has_value();
        if (is_given || std::ranges::any_of(sharers[storage], is_needed)) leaves[consumed] = 1;
      }
    }
    return leaves;
  }

  // The last operation that uses a value; past all of them for what is there at the end.
  [[nodiscard]] static std::vector<operation_id> uses_to_the_end(const Program& program) {
    std::vector<operation_id> last = last_uses(program);
    for (value_id v = 0; v < last.size(); ++v) {
      if (program.values()[v].stays) last[v] = Program::no_operation;
    }
    for (const value_id result : program.results()) last[result] = Program::no_operation;
    return last;
  }

  // What it reads, and the gradients that it adds to and does not make itself.
  [[nodiscard]] std::vector<value_id> inputs_of(operation_id op) {
    const Operation& o = program_.operations()[op];
    ++listing_;
    std::vector<value_id> inputs;
    inputs.reserve(o.reads.size());
    const auto add = [&](value_id input) {
      if (is_listed(input)) return false;
      inputs_[input] = {.listing = listing_, .place = inputs.size()};
      return true;
    };
    for (const value_id read : o.reads) {
      add(read);
      inputs.push_back(read);
    }
    for (const value_id part : o.accumulates) {
      if (program_.maker(part) != op && add(part)) inputs.push_back(part);
    }
    return inputs;
  }

  [[nodiscard]] bool is_listed(value_id value) const noexcept {
    return inputs_[value].listing == listing_;
  }
  // Among the inputs that were listed last.
  [[nodiscard]] std::size_t place(value_id value) const {
    if (is_listed(value)) return inputs_[value].place;
    throw InvalidGraph("an operation uses the memory of what it does not read: " +
                       program_.describe(value));
  }

  void call(operation_id op, std::span<Payload* const> in, std::span<Payload> out, bool is_rerun) {
    const Operation& o = program_.operations()[op];
    const std::vector<value_id> inputs = inputs_of(op);
    for (std::size_t i = 0; i < in.size(); ++i) places_[inputs[i]] = in[i];
    for (std::size_t i = 0; i < out.size(); ++i) places_[o.writes[i]] = &out[i];
    running_ = op;
    run_(op, is_rerun);
  }

  [[nodiscard]] OnlineEvent in_terms_of_program(const StoreEvent& event) const {
    const bool is_drop = event.kind == StoreEvent::Kind::drop;
    return {.kind = static_cast<OnlineEvent::Kind>(event.kind),
            .index =
                is_drop ? value_of_number_[event.number] : static_cast<std::uint32_t>(event.number),
            .clock = static_cast<double>(event.clock) / scale(),
            .live_bytes = event.live_bytes,
            .during_bytes = event.during_bytes};
  }

  const Program& program_;
  GrownBytes bytes_;
  operation_id running_ = Program::no_operation;
  Function run_;
  Repeatability repeatability_;
  std::vector<std::uint8_t> runs_again_;
  std::vector<std::vector<value_id>> released_;
  std::vector<value_id> value_of_number_;
  std::vector<Handle> handles_;
  std::vector<Payload*> places_;  ///< of the operation that runs
  std::vector<Input> inputs_;     ///< of values, as inputs of some operation
  std::uint64_t listing_ = 0;     ///< of inputs: the last one
  std::vector<std::uint8_t> leaves_storage_;
  std::optional<std::uint64_t> evictions_;
  std::exception_ptr failure_;  ///< of the observer, until it can come out
  Store store_;  ///< last, so that it goes before the handles: their end is no event then
};

}  // namespace reprise::inline v0
