// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Makes values of a store present, whatever must be recomputed for that.

#include <algorithm>
#include <cstddef>
#include <reprise/core/error.hpp>
#include <reprise/eviction/eviction_policy.hpp>
#include <reprise/eviction/storage_graph.hpp>
#include <reprise/store/eviction_pool.hpp>
#include <reprise/store/operation_output.hpp>
#include <reprise/store/operation_request.hpp>
#include <reprise/store/operation_runner.hpp>
#include <reprise/store/references.hpp>
#include <reprise/store/store_records.hpp>
#include <string>
#include <vector>

namespace reprise::inline v0::storing {

/// The operations that a store is about to run, each for the sake of the one below it: makes what
/// an operation reads present and locks it, then runs the operation.
///
/// Iterative, so that depth is no limit. What an operation reads is locked until it ran, level by
/// level. An operation that takes over the memory of an input may so take what one further down the
/// stack is about to read, which is then made once more.
/// @tparam Payload what a value is
/// @tparam Policy  of the pool
template <class Payload, EvictionPolicy Policy>
class RematStack {
 public:
  /// What it reads and keeps up to date.
  using Records = StoreRecords<Payload>;

  /// All of them must outlive the stack.
  RematStack(Records& records, EvictionPool<Payload, Policy>& pool,
             References<Payload, Policy>& references, OperationRunner<Payload, Policy>& runner)
      : records_(records), pool_(pool), references_(references), runner_(runner) {}
  RematStack(const RematStack&) = delete;
  RematStack& operator=(const RematStack&) = delete;
  RematStack(RematStack&&) = delete;
  RematStack& operator=(RematStack&&) = delete;
  ~RematStack() = default;

  /// Runs an operation for the first time, after what it reads and is not there.
  /// @throws as `OperationStore::run`; the operation has been taken back then.
  void run_first(operation_number op) {
    push(op, 0);
    try {
      run_all();
    } catch (...) {
      if (!records_.is_closed()) {
        references_.take_back(op);
        clear_if_nobody_holds();
      }
      throw;
    }
    for (const value_number output : records_.operation(op).outputs) touch(output);
  }

  /// Makes a value present.
  /// @throws as `OperationStore::run`
  void materialise(value_number value) {
    runner_.check_not_running();
    if (records_.value(value).is_defined) return;
    // A function may let go of the last handle of what is being recomputed.
    const Needed needed(*this, value);
    descend(value);
    run_all();
  }

  /// Before an operation takes over what nothing can recompute, what others could be recomputed
  /// from that stays itself; before it makes a view that nothing can recompute, what takes over its
  /// storage does.
  /// @throws as `OperationStore::run`
  void secure_dependants(const OperationRequest<Payload>& request) {
    // What was secured may be taken over too, by this operation or by others, and then nothing can
    // recompute that either.
    for (;;) {
      const operation_number op = next_to_secure(request);
      if (op == no_number) return;
      secure(op);
    }
  }

  /// Holds a present value where it is, until `unpin`.
  void pin(value_number value) {
    const storage_id id = records_.storage_of(value);
    ++records_.storage(id).pins;
    lock(id);
  }
  /// Takes back one `pin`.
  void unpin(value_number value) {
    if (records_.is_closed()) return;
    const storage_id id = records_.storage_of(value);
    --records_.storage(id).pins;
    unlock(id);
  }

  /// Evicts all that can go if there are no handles: then nothing will ever be read again, and what
  /// was recomputed on the way need not wait for others.
  void clear_if_nobody_holds() {
    if (!references_.has_handles() && frames_.empty()) pool_.evict_all();
  }

 private:
  using Storage = typename Records::Storage;
  using Operation = typename Records::Operation;

  struct Frame {
    operation_number op;
    std::size_t asked;          ///< which output the run is for
    std::size_t first_missing;  ///< in `missing_`
    std::size_t first_lock;     ///< in `locked_`
    std::size_t rounds = 0;     ///< how often it found inputs missing that it held before
    bool has_begun = false;
    bool holds_inputs = false;  ///< has a lock on each, present or taken over by another one
  };

  class Needed {
   public:
    Needed(RematStack& stack, value_number value) : stack_(stack), value_(value) {
      stack_.references_.need(value_);
    }
    Needed(const Needed&) = delete;
    Needed& operator=(const Needed&) = delete;
    ~Needed() {
      if (!stack_.records_.is_closed()) stack_.references_.unneed(value_);
    }

   private:
    RematStack& stack_;
    value_number value_;
  };

  // ---- the stack --------------------------------------------------------------------------------

  void push(operation_number op, std::size_t asked) {
    frames_.push_back({op, asked, missing_.size(), locked_.size()});
  }

  // Begins the recompute of a value.
  void descend(value_number value) {
    if (records_.value(value).is_spoilt) {
      throw ReplayMismatch(records_.describe(value) +
                           " was changed in place after it was made: making it again would undo "
                           "the change");
    }
    check_repeatable(value);
    const operation_number op = records_.value(value).op;
    const std::vector<value_number>& outputs = records_.operation(op).outputs;
    push(op, static_cast<std::size_t>(std::ranges::find(outputs, value) - outputs.begin()));
  }

  void check_repeatable(value_number value) const {
    const Operation& o = records_.operation(records_.value(value).op);
    if (o.has_recipe && (o.repeatable || !o.has_run)) return;
    throw InvalidState("operation " + std::to_string(o.number) +
                       (o.repeatable ? " made what was held for good" : " is not repeatable") +
                       ", and what it made is gone: " + records_.describe(value));
  }

  void run_all() {
    try {
      while (!frames_.empty()) step();
    } catch (...) {
      frames_.clear();
      missing_.clear();
      while (!locked_.empty()) {
        const storage_id id = locked_.back();
        locked_.pop_back();
        unlock(id);
      }
      throw;
    }
  }

  // One step of the topmost operation: begins it, descends into what it misses, or runs it.
  void step() {
    Frame& frame = frames_.back();
    if (!frame.has_begun) begin(frame);
    while (frame.first_missing < missing_.size()) {
      // `missing_` is a stack of this frame's own list, in reverse.
      const value_number value = missing_.back();
      if (!records_.value(value).is_defined) return descend(value);
      missing_.pop_back();
      if (!frame.holds_inputs) lock_input(records_.storage_of(value));
      if (missing_.size() == frame.first_missing) list_taken_over(frame);
    }
    const Frame done = frame;
    runner_.run(done.op, done.asked);
    unlock_inputs(done);
    frames_.pop_back();
  }

  void begin(Frame& frame) {
    frame.has_begun = true;
    const Operation& o = records_.operation(frame.op);
    for (const value_number input : o.inputs) touch(input);
    for (const value_number input : o.inputs) {
      if (records_.value(input).is_defined) lock_input(records_.storage_of(input));
    }
    list_missing(o);
  }

  void touch(value_number value) {
    const storage_id id = records_.storage_of(value);
    records_.storage(id).last_access = records_.clock();
    pool_.mark_stale(id);
  }

  void list_missing(const Operation& o) {
    for (std::size_t i = o.inputs.size(); i-- > 0;) {
      if (!records_.value(o.inputs[i]).is_defined) missing_.push_back(o.inputs[i]);
    }
  }

  // Recomputing one input may have taken over the memory of another, an ancestor of it. A recompute
  // takes over only storages that are older than what it makes, views apart: so the youngest goes
  // first, and is not taken over again.
  void list_taken_over(Frame& frame) {
    frame.holds_inputs = true;
    const Operation& o = records_.operation(frame.op);
    list_missing(o);
    if (missing_.size() == frame.first_missing) return;
    if (++frame.rounds > 4 + o.inputs.size()) {
      throw InvalidState(
          "operation " + std::to_string(o.number) +
          " cannot have all of its inputs at once: recomputing one takes over another (" +
          records_.describe(missing_.back()) + ")");
    }
    std::ranges::sort(
        missing_.begin() + static_cast<std::ptrdiff_t>(frame.first_missing), missing_.end(), {},
        [this](value_number value) { return records_.storage(records_.storage_of(value)).born; });
  }

  // ---- locks ------------------------------------------------------------------------------------

  void lock(storage_id id) {
    if (records_.storage(id).locks++ == 0) pool_.leave(id);
  }
  void lock_input(storage_id id) {
    lock(id);
    locked_.push_back(id);
  }

  // A lock stays when another operation takes over the storage: then it waits for the recompute.
  void unlock(storage_id id) {
    if (!records_.is_closed() && --records_.storage(id).locks == 0) references_.end_locks(id);
  }
  void unlock_inputs(const Frame& frame) {
    locked_.resize(frame.first_lock);
    for (const value_number input : records_.operation(frame.op).inputs) {
      unlock(records_.storage_of(input));
    }
  }

  // ---- what would be lost
  // -------------------------------------------------------------------------

  [[nodiscard]] operation_number next_to_secure(const OperationRequest<Payload>& request) const {
    for (const std::size_t index : request.consumes) {
      const storage_id id = request.storage(records_, index);
      const Storage& consumed = records_.storage(id);
      if (consumed.is_pinned && consumed.readers > 0) return references_.reader_of(id);
    }
    if (request.can_repeat(records_)) return no_number;
    for (const OperationOutput& output : request.outputs) {
      if (!output.view_of) continue;
      const storage_id viewed = request.storage(records_, *output.view_of);
      if (records_.storage(viewed).consumers > 0) return references_.consumer_of(viewed);
    }
    return no_number;
  }

  // Makes present what an operation made and holds it for good, after what takes that over in turn.
  void secure(operation_number last) {
    std::vector<operation_number> waiting{last};
    while (!waiting.empty()) {
      const operation_number op = waiting.back();
      const value_number value = references_.first_unsettled_output(op);
      if (!records_.operation(op).has_recipe || value == no_number) {
        waiting.pop_back();
        continue;
      }
      const storage_id id = records_.storage_of(value);
      if (records_.storage(id).consumers > 0) {
        if (waiting.size() > records_.operations().size()) refuse_to_secure(value);
        waiting.push_back(references_.consumer_of(id));
      } else {
        materialise(value);
        // Its last handle may have gone meanwhile.
        if (!records_.value(value).is_settled) references_.hold_for_good(id);
      }
    }
  }

  // Two operations make views of what each takes over from the other.
  [[noreturn]] void refuse_to_secure(value_number value) const {
    throw InvalidState(records_.describe(value) +
                       " cannot stay at once with what is made from it, and would be lost");
  }

  Records& records_;
  EvictionPool<Payload, Policy>& pool_;
  References<Payload, Policy>& references_;
  OperationRunner<Payload, Policy>& runner_;
  std::vector<Frame> frames_{};
  std::vector<value_number> missing_{};
  std::vector<storage_id> locked_{};  ///< by operations, once for each lock
};

}  // namespace reprise::inline v0::storing
