// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The one definition of what each action does to memory.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <reprise/core/error.hpp>
#include <reprise/core/mutant.hpp>
#include <reprise/program/grown_bytes.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <string>
#include <vector>

namespace reprise::inline v0 {

/// Applies actions to the state of a program and answers what is present and how many bytes it is.
///
/// Bytes while an operation runs = live - consumed + every write + one part for each accumulated
/// gradient + transient; after it, parts, transient and copies of what was present are gone. A view
/// binds to its source's storage as it is when the view is made: a source that is recomputed later
/// is another storage, and both count. An action costs time linear in what its operation touches.
/// Sums of bytes need no check here: a program that was made holds none that could pass 64 bits.
///
/// What a lane was told to `start` has its memory from then on. Until it is awaited, what it reads
/// may not be dropped or taken over, and what it makes may not be read or dropped.
class Ledger {
 public:
  /// @param program must outlive the ledger
  explicit Ledger(const Program& program)
      : program_(&program),
        has_forms_(program.has_forms()),
        bytes_(program),
        storage_of_(program.values().size(), absent),
        has_run_(program.operations().size(), 0),
        is_under_way_(program.has_forms() ? program.operations().size() : 0, 0),
        is_copied_(program.has_forms() ? program.values().size() : 0, 0) {
    for (value_id v = 0; v < program.values().size(); ++v) {
      if (!program.is_given(v)) continue;
      storage_of_[v] = make_storage(program.values()[v].bytes);
      live_bytes_ += program.values()[v].bytes;
    }
    peak_bytes_ = live_bytes_;
  }

  /// Bytes of all that is present, between actions.
  [[nodiscard]] byte_count live_bytes() const noexcept { return live_bytes_; }
  /// The most that was live, inside actions too.
  [[nodiscard]] byte_count peak_bytes() const noexcept { return peak_bytes_; }
  /// Bytes of all that is present in the host's memory, between actions.
  [[nodiscard]] byte_count live_host_bytes() const noexcept { return live_host_bytes_; }
  /// The most that was live in the host's memory.
  [[nodiscard]] byte_count peak_host_bytes() const noexcept { return peak_host_bytes_; }
  /// True if the operation was started and not awaited yet.
  /// @param op one of the program's
  [[nodiscard]] bool is_under_way(operation_id op) const noexcept {
    return under_way_count_ > 0 && is_under_way_[op] != 0;
  }
  /// True if something was started and not awaited yet.
  [[nodiscard]] bool has_under_way() const noexcept { return under_way_count_ > 0; }
  /// True if the value has bytes now, or is given from the start.
  /// @param value one of the program's
  [[nodiscard]] bool is_present(value_id value) const noexcept {
    return storage_of_[value] != absent;
  }
  /// True if the operation ran before.
  /// @param op one of the program's
  [[nodiscard]] bool has_run(operation_id op) const noexcept { return has_run_[op] != 0; }

  /// What values and transients take in this pass: as the program says, unless they grew. What is
  /// present keeps its bytes until it is made anew.
  [[nodiscard]] const GrownBytes& bytes() const noexcept { return bytes_; }
  [[nodiscard]] GrownBytes& bytes() noexcept { return bytes_; }

  /// The bytes of the device that would be live while the action runs; nothing changes.
  /// @throws InvalidSchedule if the action has no meaning now; the message names it.
  [[nodiscard]] byte_count bytes_during(const Action& action) const {
    if (action.restores_original) return bytes_during_restore(action);
    if (action.kind == ActionKind::run) return bytes_during_run(action);
    if (action.kind == ActionKind::drop) return bytes_during_drop(action);
    return bytes_beside(action);
  }

  /// Applies one action.
  /// @throws InvalidSchedule as `bytes_during`; the ledger is unchanged then.
  void apply(const Action& action) { apply(action, bytes_during(action)); }

  /// Applies an action without working out its bytes again.
  /// @param during what `bytes_during` answered for it since the last one was applied
  void apply(const Action& action, byte_count during) {
    peak_bytes_ = std::max(peak_bytes_, during);
    commit(action);
  }

 private:
  static constexpr std::uint32_t absent = 0xFFFFFFFFU;

  struct Storage {
    byte_count bytes;
    std::uint32_t references;
  };

  [[nodiscard]] static bool is_skipped(const Action& action, const Value& value) noexcept {
    const bool breaks_rule = is_broken(Mutant::skipped_output_counted);
    return action.skips_output && value.kind == ValueKind::output && !breaks_rule;
  }

  [[nodiscard]] byte_count bytes_during_run(const Action& action) const {
    if (action.index >= program_->operations().size()) refuse_unknown(action, "run");
    const Operation& op = program_->operations()[action.index];
    check_run(action, op);
    byte_count bytes = live_bytes_ + bytes_.transient(action.index);
    for (const value_id consumed : op.consumes) {
      const Storage& storage = storages_[storage_of_[consumed]];
      const bool is_last = storage.references == 1 && !is_broken(Mutant::consumed_still_held);
      if (is_last) bytes -= storage.bytes;
    }
    for (const value_id written : op.writes) {
      const Value& value = program_->values()[written];
      if (is_broken(Mutant::copies_uncounted) && is_present(written)) continue;
      if (!is_skipped(action, value) && !value.view_of) bytes += bytes_.of(written);
    }
    if (!op.adds_in_place && !is_broken(Mutant::parts_uncounted)) {
      for (const value_id part : op.accumulates) bytes += bytes_.of(part);
    }
    return bytes;
  }

  [[nodiscard]] byte_count bytes_during_restore(const Action& action) const {
    if (action.index >= program_->operations().size()) refuse_unknown(action, "restore");
    const Operation& op = program_->operations()[action.index];
    const bool restores = op.kind == OperationKind::decode || op.kind == OperationKind::fetch;
    if (action.kind != ActionKind::run || action.skips_output || !restores) {
      refuse_run(action, "is to restore a value, and does not");
    }
    const value_id restored = op.writes.front();
    const value_id original = *program_->values()[restored].form_of;
    if (program_->values()[restored].is_approximate) {
      refuse_run(action, "is approximate, and is to restore " + program_->describe(original));
    }
    if (!is_present(op.reads.front())) {
      refuse_run(action, "reads what is absent: " + program_->describe(op.reads.front()));
    }
    if (is_present(original)) {
      refuse_run(action, "would restore what is present: " + program_->describe(original));
    }
    if (under_way_count_ > 0) check_lanes(action, op);
    return live_bytes_ + bytes_.transient(action.index) + bytes_.of(restored);
  }

  // What is restored has memory of its own, also where the original was a view.
  void commit_restore(const Action& action) {
    const value_id restored = program_->operations()[action.index].writes.front();
    const value_id original = *program_->values()[restored].form_of;
    storage_of_[original] = make_storage(bytes_.of(restored));
    live_bytes_ += bytes_.of(restored);
  }

  // What concerns lanes alone.
  [[nodiscard]] byte_count bytes_beside(const Action& action) const {
    if (action.kind == ActionKind::start) {
      check_start(action);
      return bytes_during_run(action);
    }
    if (action.kind == ActionKind::await) {
      check_await(action);
      return live_bytes_;
    }
    throw InvalidSchedule("an action of kind " +
                          std::to_string(static_cast<unsigned>(action.kind)) +
                          ", which does not exist");
  }

  [[noreturn]] void refuse_unknown(const Action& action, const char* what) const {
    throw InvalidSchedule(std::string(what) + " of operation " + std::to_string(action.index) +
                          ", which is not in the program");
  }

  void check_start(const Action& action) const {
    if (action.index >= program_->operations().size()) refuse_unknown(action, "start");
    if (lane_of(program_->operations()[action.index].kind) == Lane::compute) {
      refuse_run(action, "is started, and has no lane but computing's");
    }
  }

  void check_await(const Action& action) const {
    if (action.index >= program_->operations().size()) refuse_unknown(action, "await");
    if (!is_under_way(action.index)) refuse_run(action, "is awaited, and not under way");
  }

  // Of values that lanes are at work on.
  void check_lanes(const Action& action, const Operation& op) const {
    if (is_under_way(action.index)) refuse_run(action, "is under way already");
    for (const value_id read : op.reads) {
      const operation_id maker = program_->maker(read);
      if (maker != Program::no_operation && is_under_way(maker)) {
        refuse_run(action, "reads what is under way: " + program_->describe(read));
      }
    }
    for (const value_id consumed : op.consumes) {
      if (is_copied_[consumed] != 0) {
        refuse_run(action, "takes over what is being copied: " + program_->describe(consumed));
      }
    }
  }

  void check_run(const Action& action, const Operation& op) const {
    for (const value_id read : op.reads) {
      if (!is_present(read))
        refuse_run(action, "reads what is absent: " + program_->describe(read));
    }
    if (under_way_count_ > 0) check_lanes(action, op);
    for (const value_id part : op.accumulates) {
      if (!is_present(part) && program_->maker(part) != action.index) {
        refuse_run(action, "adds to what is absent: " + program_->describe(part));
      }
    }
    if (action.skips_output && !(op.can_skip_output && has_run(action.index))) {
      refuse_run(action, "cannot skip its outputs");
    }
    if (!has_run(action.index)) return;
    if (!op.repeatable) refuse_run(action, "is not repeatable");
    const bool makes_something = std::ranges::any_of(op.writes, [&](value_id written) {
      return !is_present(written) && !is_skipped(action, program_->values()[written]);
    });
    if (!makes_something) refuse_run(action, "would make nothing that is absent");
    check_sums(action, op);
  }

  // A sum of parts of several operations is not recomputed by one of them.
  void check_sums(const Action& action, const Operation& op) const {
    for (const value_id part : op.accumulates) {
      if (program_->maker(part) == action.index) continue;
      refuse_run(action, "would add a second time to " + program_->describe(part));
    }
    for (const value_id written : op.writes) {
      if (is_present(written) || !program_->is_sum(written)) continue;
      refuse_run(action,
                 "would make again without what others add: " + program_->describe(written));
    }
  }

  [[nodiscard]] byte_count bytes_during_drop(const Action& action) const {
    if (action.index >= program_->values().size()) {
      throw InvalidSchedule("drop of value " + std::to_string(action.index) +
                            ", which is not in the program");
    }
    const Value& value = program_->values()[action.index];
    if (under_way_count_ > 0) check_drop_beside_lanes(action.index);
    if (!is_present(action.index)) {
      throw InvalidSchedule("drop of what is absent: " + program_->describe(action.index));
    }
    if (program_->is_given(action.index) || value.stays) {
      throw InvalidSchedule("drop of " + program_->describe(action.index) +
                            ", which may not be dropped");
    }
    return live_bytes_;
  }

  void check_drop_beside_lanes(value_id value) const {
    const operation_id maker = program_->maker(value);
    const bool arrives = maker != Program::no_operation && is_under_way(maker);
    if (!arrives && is_copied_[value] == 0) return;
    throw InvalidSchedule("drop of what is under way: " + program_->describe(value));
  }

  void commit(const Action& action) {
    if (action.restores_original) return commit_restore(action);
    if (action.kind == ActionKind::run) return commit_run(action);
    if (action.kind == ActionKind::drop) return release(action.index);
    commit_beside(action);
  }

  void commit_beside(const Action& action) {
    switch (action.kind) {
      case ActionKind::run:
      case ActionKind::drop:
        return;
      case ActionKind::start:
        commit_run(action);
        is_under_way_[action.index] = 1;
        ++is_copied_[program_->operations()[action.index].reads.front()];
        ++under_way_count_;
        return;
      case ActionKind::await:
        is_under_way_[action.index] = 0;
        --is_copied_[program_->operations()[action.index].reads.front()];
        --under_way_count_;
    }
  }

  void commit_run(const Action& action) {
    const Operation& op = program_->operations()[action.index];
    // A view binds to its source before the source may be consumed by the same operation.
    for (const value_id written : op.writes) {
      const Value& value = program_->values()[written];
      if (is_present(written) || is_skipped(action, value)) continue;
      if (value.view_of) {
        storage_of_[written] = storage_of_[*value.view_of];
        ++storages_[storage_of_[written]].references;
      } else {
        storage_of_[written] = make_storage(bytes_.of(written));
        live_bytes_ += bytes_.of(written);
        if (has_forms_) live_host_bytes_ += value.host_bytes;
      }
    }
    for (const value_id consumed : op.consumes) release(consumed);
    if (has_forms_) peak_host_bytes_ = std::max(peak_host_bytes_, live_host_bytes_);
    has_run_[action.index] = 1;
  }

  [[nodiscard]] std::uint32_t make_storage(byte_count bytes) {
    if (free_.empty()) {
      storages_.push_back({.bytes = bytes, .references = 1});
      return static_cast<std::uint32_t>(storages_.size() - 1);
    }
    const std::uint32_t storage = free_.back();
    free_.pop_back();
    storages_[storage] = {.bytes = bytes, .references = 1};
    return storage;
  }

  void release(value_id value) {
    const std::uint32_t storage = storage_of_[value];
    storage_of_[value] = absent;
    const bool takes_storage =
        is_broken(Mutant::view_source_forgotten) && !program_->values()[value].view_of;
    if (--storages_[storage].references > 0 && !takes_storage) return;
    live_bytes_ -= storages_[storage].bytes;
    if (has_forms_) live_host_bytes_ -= program_->values()[value].host_bytes;
    free_.push_back(storage);
  }

  [[noreturn]] void refuse_run(const Action& action, const std::string& why) const {
    throw InvalidSchedule(program_->describe_operation(action.index) + " " + why);
  }

  const Program* program_;
  bool has_forms_;
  GrownBytes bytes_;
  std::vector<Storage> storages_;
  std::vector<std::uint32_t> free_;
  std::vector<std::uint32_t> storage_of_;
  std::vector<std::uint8_t> has_run_;
  std::vector<std::uint8_t> is_under_way_;  ///< of each operation; empty without forms
  std::vector<std::uint32_t> is_copied_;    ///< of each value: by so many that are under way
  std::size_t under_way_count_ = 0;
  byte_count live_bytes_ = 0;
  byte_count peak_bytes_ = 0;
  byte_count live_host_bytes_ = 0;
  byte_count peak_host_bytes_ = 0;
};

}  // namespace reprise::inline v0
