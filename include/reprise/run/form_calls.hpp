// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Makes and restores the forms of one pass.

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <reprise/core/error.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/mutant.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/core/units.hpp>
#include <reprise/program/forms/with_forms.hpp>
#include <reprise/program/operation.hpp>
#include <reprise/program/program.hpp>
#include <reprise/run/lowered_shape.hpp>
#include <reprise/run/originals.hpp>
#include <reprise/run/run_state.hpp>
#include <reprise/store/form_call.hpp>
#include <reprise/store/held_form.hpp>
#include <reprise/store/memory_account.hpp>
#include <reprise/store/no_forms.hpp>
#include <reprise/store/remat_store.hpp>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0::running {

/// Encodes, decodes, offloads and fetches the values of one pass, and counts the host's bytes.
///
/// What was begun and not awaited is awaited when this is destroyed, before its memory goes.
template <LayerGraph G, ValueStore Store>
class FormCalls {
 public:
  using T = typename G::tensor_type;   ///< what nodes exchange
  using S = typename G::saved_type;    ///< what a node saves
  using payload_type = Payload<T, S>;  ///< what a value is

  /// Borrows the store, the shape and the originals, which must outlive it.
  FormCalls(const Store& store, const LoweredShape& shape, Originals<G>& originals,
            PassContext::Identity identity, RunState& state)
      : store_(store),
        host_account_(has_forms ? store.host_account() : nullptr),
        shape_(shape),
        originals_(originals),
        identity_(identity),
        state_(state),
        form_of_(shape.made.empty() ? 0 : program().operations().size(), 0),
        host_bytes_(shape.made.empty() ? 0 : program().values().size(), 0) {
    for (std::size_t i = 0; i < shape.made.size(); ++i) {
      form_of_[shape.made[i].maker] = i;
      for (const operation_id restorer : shape.made[i].restorers) {
        if (restorer != Program::no_operation) form_of_[restorer] = i;
      }
    }
  }

  FormCalls(const FormCalls&) = delete;
  FormCalls& operator=(const FormCalls&) = delete;
  FormCalls(FormCalls&&) = delete;
  FormCalls& operator=(FormCalls&&) = delete;
  ~FormCalls() {
    for (const UnderWay& copy : under_way_) {
      try {
        copy.form->wait();
      } catch (...) {  // the pass is over, and so is what it would have told
      }
    }
    if (host_account_) host_account_->settle(live_host_bytes_, 0);
  }

  /// Begins to make or to restore a form; what it makes is in its place, but not to be read.
  /// @throws BudgetExceeded if the host has no room; ProfileMismatch if more is made than was said
  ///   and there is no room; ReplayMismatch; and what the maker throws
  template <class Values>
  void begin(operation_id op, bool is_rerun, Values& values) {
    if constexpr (has_forms) {
      const std::size_t form = form_of_[op];
      const Operation& operation = program().operations()[op];
      payload_type& kept = values.at(shape_.made[form].form);
      if (operation.kind == OperationKind::encode || operation.kind == OperationKind::offload) {
        make(operation, form, is_rerun, values);
      } else {
        restore(op, operation.writes.front(), form, values);
      }
      under_way_.push_back({.op = op, .form = &kept.form});
      count_moved(operation);
    }
  }

  /// Restores the value itself that a form stands for, and waits for it.
  /// @throws as `begin` and `end`
  template <class Values>
  void restore_original(operation_id op, Values& values) {
    if constexpr (has_forms) {
      const MadeForm& made = shape_.made[form_of_[op]];
      restore(op, made.value, form_of_[op], values);
      values.at(made.form).form.wait();
      count_moved(program().operations()[op]);
    }
  }

  /// Returns once what was begun has ended. Throws what the maker throws.
  void end(operation_id op) {
    const auto found = std::ranges::find(under_way_, op, &UnderWay::op);
    if (found == under_way_.end()) return;
    HeldForm<T>* const form = found->form;
    under_way_.erase(found);
    form->wait();
  }

  /// Hears that a value goes.
  void note_drop(value_id value) noexcept {
    if (host_bytes_.empty()) return;
    const byte_count bytes = std::exchange(host_bytes_[value], 0);
    settle_host(live_host_bytes_ - bytes);
  }

  /// Of the host, held by this pass.
  [[nodiscard]] byte_count live_host_bytes() const noexcept { return live_host_bytes_; }

 private:
  static constexpr bool has_forms = !std::same_as<typename Store::forms_type, NoForms>;

  struct UnderWay {
    operation_id op;
    HeldForm<T>* form;  ///< in its payload, which stays where it is
  };

  [[nodiscard]] const Program& program() const { return shape_.lowered.program; }

  [[nodiscard]] FormCall call(value_id value, std::size_t restoration) const noexcept {
    return {.seed = identity_.seed,
            .step = identity_.step,
            .micro_batch = identity_.micro_batch,
            .value = value,
            .restoration = restoration};
  }

  template <class Values>
  void make(const Operation& op, std::size_t form, bool is_rerun, Values& values) {
    const value_id value = op.reads.front();
    const value_id made = op.writes.front();
    payload_type& source = values.at(value);
    originals_.check_tensor(value, source, op, is_rerun);
    const bool is_in_host = op.kind == OperationKind::offload;
    byte_count host = program().values()[made].host_bytes;
    host_account_->expect(live_host_bytes_, live_host_bytes_ + host);
    HeldForm<T> held =
        store_.forms().make(shape_.chosen[form].maker, source.tensor, call(value, 0));
    if (is_in_host && held.bytes() > host) {  // sizes may depend on data
      host = held.bytes();
      host_account_->expect(live_host_bytes_, live_host_bytes_ + host);
    }
    if (!is_in_host) check_bytes(held.bytes(), made, values);
    values.at(made).form = std::move(held);
    host_bytes_[made] = host;
    settle_host(live_host_bytes_ + host);
  }

  template <class Values>
  void restore(operation_id number, value_id restored, std::size_t form, Values& values) {
    const MadeForm& made = shape_.made[form];
    // A maker knows of one copy of a form at a time.
    HeldForm<T>* const held = &values.at(made.form).form;
    if (std::ranges::find(under_way_, held, &UnderWay::form) != under_way_.end()) held->wait();
    const auto restoration = static_cast<std::size_t>(std::ranges::find(made.restorers, number) -
                                                      made.restorers.begin());
    T tensor = values.at(made.form).form.restore(call(made.value, restoration));
    const auto bytes = static_cast<byte_count>(tensor_traits<T>::bytes(tensor));
    const byte_count expected = values.bytes_of(restored);
    if (bytes > expected && !values.grow(restored, bytes)) {
      values.at(made.form).form.wait();  // the tensor goes
      refuse(restored, bytes, expected);
    }
    payload_type& payload = values.at(restored);
    payload.version = version_of(tensor);
    payload.tensor = std::move(tensor);
    // A copy that is under way has no content yet.
    if (!originals_.verifies()) return;
    end_of_copy(values.at(made.form));
    note_content(made.value, restored, payload);
  }

  void end_of_copy(payload_type& kept) { kept.form.wait(); }

  void note_content(value_id value, value_id restored, const payload_type& payload) {
    if (!program().values()[restored].is_approximate) {
      originals_.compare_output(value, payload.tensor);
    }
    originals_.note(restored, payload.tensor);
  }

  template <class Values>
  void check_bytes(byte_count bytes, value_id made, Values& values) {
    const byte_count expected = values.bytes_of(made);
    if (bytes > expected && !values.grow(made, bytes)) refuse(made, bytes, expected);
  }

  [[noreturn]] void refuse(value_id made, byte_count bytes, byte_count expected) const {
    throw ProfileMismatch(program().describe(made) + " takes " + std::to_string(bytes) +
                          " bytes, its option or profile says " + std::to_string(expected) +
                          ", and the budget has no room for more");
  }

  void count_moved(const Operation& op) {
    const value_id form = op.kind == OperationKind::offload ? op.writes.front() : op.reads.front();
    if (lane_of(op.kind) == Lane::compute) return;
    state_.report.moved_bytes += program().values()[form].host_bytes;
  }

  void settle_host(byte_count bytes) noexcept {
    if (host_account_) host_account_->settle(live_host_bytes_, bytes);
    live_host_bytes_ = bytes;
  }

  const Store& store_;
  std::shared_ptr<MemoryAccount> host_account_;  ///< a pass may outlive its store; null: no forms
  const LoweredShape& shape_;
  Originals<G>& originals_;
  PassContext::Identity identity_;
  RunState& state_;
  std::vector<std::size_t> form_of_;    ///< of each operation that makes or restores one
  std::vector<byte_count> host_bytes_;  ///< of each value: what it holds of the host
  std::vector<UnderWay> under_way_;
  byte_count live_host_bytes_ = 0;
};

}  // namespace reprise::inline v0::running
