// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Runs one operation of a store whose inputs are present.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/core/byte_sum.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/core/units.hpp>
#include <reprise/eviction/eviction_policy.hpp>
#include <reprise/eviction/storage_graph.hpp>
#include <reprise/store/eviction_pool.hpp>
#include <reprise/store/references.hpp>
#include <reprise/store/store_event.hpp>
#include <reprise/store/store_records.hpp>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0::storing {

/// Runs one operation of a store whose inputs are present and locked, for the first time or again:
/// makes room, calls the function, and takes what it made.
///
/// What the operation takes over is gone afterwards, also if the function throws. A rerun that
/// reads or makes something else than the first run is refused.
/// @tparam Payload what a value is
/// @tparam Policy  of the pool
template <class Payload, EvictionPolicy Policy>
class OperationRunner {
 public:
  /// What it reads and keeps up to date.
  using Records = StoreRecords<Payload>;
  /// Where room is made.
  using Pool = EvictionPool<Payload, Policy>;

  /// @param seed of the operations' random streams; all else must outlive the runner
  OperationRunner(Records& records, Pool& pool, References<Payload, Policy>& references,
                  std::uint64_t seed)
      : records_(records), pool_(pool), references_(references), seed_(seed) {}
  OperationRunner(const OperationRunner&) = delete;
  OperationRunner& operator=(const OperationRunner&) = delete;
  OperationRunner(OperationRunner&&) = delete;
  OperationRunner& operator=(OperationRunner&&) = delete;
  ~OperationRunner() = default;

  /// Runs an operation. Outputs that are there already are not replaced; a new storage joins the
  /// pool, that of the output it was asked for last.
  /// @param asked the output that the run is for; none of them if it is too large
  /// @throws BudgetExceeded, ProfileMismatch, ReplayMismatch, InvalidState as
  /// `OperationStore::run`,
  ///   and what the function throws.
  void run(operation_number op, std::size_t asked) {
    Operation& o = records_.operation(op);
    begin(op);
    const Cleared cleared(made_);
    call(o);
    const bool is_rerun = std::exchange(o.has_run, true);
    records_.advance_clock(o.cost);
    if (is_rerun) recomputed_cost_ += o.cost;
    take_outputs(o, asked, is_rerun);
    made_.clear();  // second copies
    pool_.notify(is_rerun ? StoreEvent::Kind::rerun : StoreEvent::Kind::run, o.number,
                 current_.during_bytes);
    for (const std::uint64_t number : unwanted_) pool_.notify_drop(number);
    unwanted_.clear();
  }

  /// @throws InvalidState inside a function.
  void check_not_running() const {
    if (!is_running_) return;
    throw InvalidState("an operation was handed over from inside operation " +
                       std::to_string(records_.operation(current_.op).number));
  }

  /// Inside a function that runs for the first time: an output takes more bytes than was said.
  /// @returns whether there is room for them
  /// @throws InvalidState, InvalidArgument as `OperationStore::grow_output`
  [[nodiscard]] bool grow_output(std::size_t index, byte_count bytes) {
    Operation& o = running_for_the_first_time();
    if (index >= o.outputs.size()) {
      throw InvalidArgument("output " + std::to_string(index) + " of an operation of " +
                            std::to_string(o.outputs.size()));
    }
    const Value& value = records_.value(o.outputs[index]);
    Storage& storage = records_.storage(value.storage);
    if (value.is_view || bytes <= storage.bytes) return true;
    if (!make_room_to_grow(o, bytes - storage.bytes)) return false;
    o.output_bytes += bytes - storage.bytes;
    storage.bytes = bytes;
    return true;
  }
  /// The same for what it takes beyond its outputs.
  [[nodiscard]] bool grow_transient(byte_count bytes) {
    Operation& o = running_for_the_first_time();
    if (bytes <= o.transient_bytes) return true;
    if (!make_room_to_grow(o, bytes - o.transient_bytes)) return false;
    o.transient_bytes = bytes;
    return true;
  }

  /// The cost of all runs after an operation's first.
  [[nodiscard]] std::uint64_t recomputed_cost() const noexcept { return recomputed_cost_; }

 private:
  using Value = typename Records::Value;
  using Storage = typename Records::Storage;
  using Operation = typename Records::Operation;

  struct CurrentRun {
    operation_number op = no_number;
    byte_count consumed_bytes = 0;
    byte_count during_bytes = 0;  ///< at the most
  };

  // Nothing that was made outlives a run, whichever way it ends.
  class Cleared {
   public:
    explicit Cleared(std::vector<Payload>& payloads) : payloads_(payloads) {}
    Cleared(const Cleared&) = delete;
    Cleared& operator=(const Cleared&) = delete;
    ~Cleared() { payloads_.clear(); }

   private:
    std::vector<Payload>& payloads_;
  };

  // ---- before the function ----------------------------------------------------------------------

  void begin(operation_number op) {
    Operation& o = records_.operation(op);
    check_clock(o);
    check_inputs(o);
    const byte_count consumed = consumed_bytes(o);
    const byte_count extra = o.output_bytes + o.transient_bytes;
    pool_.ensure_room(extra, consumed, [&] { return name(o); });
    const byte_count during = pool_.held_bytes() - consumed + extra;
    pool_.expect(during);
    current_ = {.op = op, .consumed_bytes = consumed, .during_bytes = during};
  }

  [[nodiscard]] static std::string name(const Operation& o) {
    return "operation " + std::to_string(o.number);
  }

  void check_clock(const Operation& o) const {
    if (o.cost <= ~records_.clock()) return;
    throw InvalidState(name(o) + " of cost " + std::to_string(o.cost) + " takes the clock from " +
                       std::to_string(records_.clock()) + " past what 64 bits count");
  }

  // Notes what an operation reads, or compares it with what it read when it first ran.
  void check_inputs(Operation& o) {
    if (!records_.replay().looks_at_inputs()) return;
    if (!o.has_run) o.reads.clear();
    for (std::size_t i = 0; i < o.inputs.size(); ++i) {
      const Value& input = records_.value(o.inputs[i]);
      const auto read = records_.replay().read(input.payload, input.made);
      if (!o.has_run) {
        o.reads.push_back(read);
      } else if (!records_.replay().are_equal(read, o.reads[i])) {
        throw ReplayMismatch(records_.describe(o.inputs[i]) + ", input " + std::to_string(i) +
                             " of " + name(o) +
                             ", was changed in place: the operation cannot run again as it first "
                             "did");
      }
    }
  }

  [[nodiscard]] byte_count consumed_bytes(const Operation& o) {
    byte_count bytes = 0;
    for (const std::size_t index : o.consumes) {
      const Storage& storage = records_.input_storage(o, index);
      if (storage.pins > 0) {
        throw InvalidState(name(o) + " takes over input " + std::to_string(index) +
                           ", which is pinned");
      }
      bytes += storage.bytes;
    }
    return bytes;
  }

  // ---- the function -----------------------------------------------------------------------------

  // What it takes over is gone afterwards, also if it throws: nobody knows how far it came.
  void call(Operation& o) {
    made_.resize(o.outputs.size());
    for (const std::size_t index : o.consumes) hand_over(o.inputs[index]);
    try {
      if (o.function) call_function(o);
    } catch (...) {
      take_over_inputs(o);
      throw;
    }
    take_over_inputs(o);
  }

  // The function is to have the only handle of what it takes over: others would keep the memory.
  void hand_over(value_number consumed) {
    const Storage& storage = records_.storage(records_.storage_of(consumed));
    records_.note_changes(storage);
    for (const value_number value : storage.values) {
      if (value != consumed) records_.undefine(value);
    }
  }

  // Operations further up that were about to read it find it missing again, and still hold their
  // locks.
  void take_over_inputs(const Operation& o) {
    if (records_.is_closed()) return;
    for (const std::size_t index : o.consumes) {
      const storage_id id = records_.storage_of(o.inputs[index]);
      // Held for good it did without its recipe; if that is still there, it is recomputed like
      // others.
      if (pool_.take_over(id)) references_.unsettle(id);
    }
  }

  void call_function(Operation& o) {
    inputs_.clear();
    for (const value_number input : o.inputs) inputs_.push_back(&records_.value(input).payload);
    PassContext pass({.seed = seed_, .step = o.number}, PassMode::training);
    pass.enter(PassContext::NodeFacts{.is_recompute = o.has_run});
    {
      const Running running(*this, o);
      running.function(inputs_, made_, pass);
    }
    if (records_.is_closed()) throw InvalidState("the store went while " + name(o) + " ran");
    check_bytes(o);
    if (o.has_run) check_rerun(o);
  }

  // The function lives elsewhere while it runs, so that the end of the store does not end it.
  struct Running {
    Running(OperationRunner& owner, Operation& o)
        : function(std::move(o.function)), runner(owner), op(o) {
      runner.is_running_ = true;
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    ~Running() {
      runner.is_running_ = false;
      if (!runner.records_.is_closed()) op.function = std::move(function);
    }

    typename Records::Function function;
    OperationRunner& runner;
    Operation& op;
  };

  // ---- after the function -----------------------------------------------------------------------

  void check_bytes(const Operation& o) const {
    if constexpr (TensorLike<Payload>) {
      for (std::size_t i = 0; i < made_.size(); ++i) {
        const Value& value = records_.value(o.outputs[i]);
        if (value.is_view) continue;
        const byte_count bytes = counted_bytes(made_[i]);
        const byte_count said = records_.storage(value.storage).bytes;
        if (bytes <= said) continue;
        throw ProfileMismatch("output " + std::to_string(i) + " of " + name(o) + " takes " +
                              std::to_string(bytes) + " bytes, and was said to take " +
                              std::to_string(said));
      }
    }
  }

  void check_rerun(const Operation& o) const {
    for (std::size_t i = 0; i < o.outputs.size(); ++i) {
      const auto difference =
          records_.replay().difference(made_[i], records_.value(o.outputs[i]).made);
      if (!difference) continue;
      throw ReplayMismatch("output " + std::to_string(i) + " of " + name(o) + ", " +
                           records_.describe(o.outputs[i]) + ", " + *difference +
                           " when it runs again");
    }
  }

  void take_outputs(const Operation& o, std::size_t asked, bool is_rerun) {
    fresh_.clear();
    for (std::size_t i = 0; i < o.outputs.size(); ++i) {
      Value& value = records_.value(o.outputs[i]);
      if (value.is_defined) continue;
      if (is_unwanted(value)) {
        unwanted_.push_back(value.number);
        continue;
      }
      define(value, std::move(made_[i]), is_rerun);
      if (records_.storage(value.storage).is_present) continue;
      pool_.make_present(value.storage);
      if (i != asked) fresh_.push_back(value.storage);
    }
    if (asked < o.outputs.size()) fresh_.push_back(records_.storage_of(o.outputs[asked]));
    for (const storage_id id : fresh_) pool_.join(id);
  }

  // Nobody may have it; or let go of, while a view keeps the first copy's memory.
  [[nodiscard]] bool is_unwanted(const Value& value) const {
    return value.is_spoilt || (!value.is_view && records_.storage(value.storage).is_present);
  }

  void define(Value& value, Payload payload, bool is_rerun) {
    value.is_defined = true;
    value.payload = std::move(payload);
    if (is_rerun) {
      records_.replay().made_again(value.payload, value.made);
    } else {
      value.made = records_.replay().made(value.payload);
    }
  }

  // ---- growing
  // ------------------------------------------------------------------------------------

  [[nodiscard]] Operation& running_for_the_first_time() {
    if (!is_running_) throw InvalidState("nothing runs that could make more than was said");
    Operation& o = records_.operation(current_.op);
    if (o.has_run) throw InvalidState("a rerun of " + name(o) + " makes more than its first run");
    return o;
  }

  [[nodiscard]] bool make_room_to_grow(const Operation& o, byte_count more) {
    const byte_count said = o.output_bytes + o.transient_bytes;
    const std::optional<byte_count> extra = byte_sum(said, more);
    if (!extra || !byte_sum(pool_.account().live_bytes(), *extra)) return false;
    try {
      pool_.ensure_room(*extra, current_.consumed_bytes, [&] { return name(o); });
    } catch (const BudgetExceeded&) {
      return false;
    }
    const byte_count during = pool_.held_bytes() - current_.consumed_bytes + *extra;
    pool_.expect(during);
    current_.during_bytes = std::max(current_.during_bytes, during);
    return true;
  }

  Records& records_;
  Pool& pool_;
  References<Payload, Policy>& references_;
  std::uint64_t seed_;
  CurrentRun current_;
  std::vector<Payload*> inputs_{};  ///< of the function that runs
  std::vector<Payload> made_{};     ///< by it
  std::vector<storage_id> fresh_{};
  std::vector<std::uint64_t> unwanted_{};
  std::uint64_t recomputed_cost_ = 0;
  bool is_running_ = false;
};

}  // namespace reprise::inline v0::storing
