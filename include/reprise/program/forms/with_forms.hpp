// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A program in which values are kept in other forms.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/program/forms/form_choice.hpp>
#include <reprise/program/forms/form_option.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/storages.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// What one choice added to a program.
struct MadeForm {
  static constexpr value_id no_value = 0xFFFFFFFFU;  ///< of a restoration that nobody reads

  value_id value = 0;                     ///< that it stands for
  value_id form = 0;                      ///< what is kept
  operation_id maker = 0;                 ///< that encodes or offloads
  std::vector<value_id> restored{};       ///< by restoration
  std::vector<operation_id> restorers{};  ///< by restoration; `Program::no_operation` with no value
};

/// A program with forms, and what it has to do with the one that it was made from. Values keep
/// their numbers, new ones come after them; operations are counted anew.
struct FormedProgram {
  Program program;                           ///< with forms
  std::vector<operation_id> operation_of{};  ///< of each operation of the other: its number here
  std::vector<MadeForm> forms{};             ///< one a choice, in their order
  Exactness exactness = Exactness::exact;    ///< of the gradients that it makes
};

namespace forming {

/// Inserts what makes and restores forms into a program.
class Substitution {
 public:
  explicit Substitution(const Program& program)
      : program_(program),
        values_(program.values().begin(), program.values().end()),
        operations_(program.operations().begin(), program.operations().end()),
        storages_(storages_of(program, ViewsOfGiven::resolve)),
        readers_of_value_(program.values().size()),
        before_(program.operations().size()),
        after_(program.operations().size()) {
    for (operation_id op = 0; op < operations_.size(); ++op) {
      says_releases_ |= !operations_[op].releases.empty();
      for (const value_id read : operations_[op].reads) {
        std::vector<operation_id>& readers = readers_of_value_[read];
        if (readers.empty() || readers.back() != op) readers.push_back(op);
      }
    }
  }

  void choose(const FormChoice& choice) {
    check(choice);
    const std::vector<FormRead> reads = readers_of(choice);
    const Value original = values_[choice.value];
    const FormOption& option = choice.option;
    const bool is_approximate = !option.is_exact() || original.is_approximate;
    const bool is_in_host = option.memory == Memory::host;
    MadeForm made{.value = choice.value};
    made.form = add_value({.kind = ValueKind::form,
                           .node = original.node,
                           .port = original.port,
                           .bytes = is_in_host ? 0 : option.bytes,
                           .is_approximate = is_approximate,
                           .form_of = choice.value,
                           .host_bytes = is_in_host ? option.bytes : 0,
                           .variance = option.variance});
    made.maker = add_operation(after_[last_read_before(choice.value, reads.front().reader)],
                               {.kind = is_in_host ? OperationKind::offload : OperationKind::encode,
                                .node = original.node,
                                .layer = program_.layer(choice.value),
                                .reads = {choice.value},
                                .writes = {made.form},
                                .transient_bytes = option.transient_bytes,
                                .cost = option.cost,
                                .repeatable = true});
    for (const FormRead& read : reads) {
      const Operation& reader = operations_[read.reader];
      if (reader.kind != OperationKind::backward) continue;
      exactness_ = std::max(exactness_, gradient_exactness(reader, choice.value, option.exactness));
    }
    restore(choice, reads, is_approximate, made);
    made_.push_back(std::move(made));
  }

  [[nodiscard]] FormedProgram finish() && {
    FormedProgram result{
        .program = program_, .operation_of = {}, .forms = {}, .exactness = exactness_};
    std::vector<Operation> all;
    all.reserve(operations_.size() + added_.size());
    std::vector<operation_id> number_of_added(added_.size());
    const auto append_added = [&](const std::vector<std::size_t>& list) {
      for (const std::size_t added : list) {
        number_of_added[added] = static_cast<operation_id>(all.size());
        all.push_back(std::move(added_[added]));
      }
    };
    for (std::size_t op = 0; op < operations_.size(); ++op) {
      append_added(before_[op]);
      result.operation_of.push_back(static_cast<operation_id>(all.size()));
      all.push_back(std::move(operations_[op]));
      append_added(after_[op]);
    }
    number(number_of_added);
    result.forms = std::move(made_);
    const operation_id loss =
        program_.has_loss() ? result.operation_of[program_.loss()] : Program::no_operation;
    result.program =
        Program(std::move(values_), std::move(all), loss, program_.layer_count(),
                program_.cost_is_flops(), {program_.results().begin(), program_.results().end()});
    return result;
  }

 private:
  [[noreturn]] static void refuse(const std::string& why) { throw InvalidArgument(why); }

  [[nodiscard]] std::string name(value_id value) const {
    return "a form of value " + std::to_string(value) + ", " + program_.describe(value) + ", ";
  }

  void check(const FormChoice& choice) const {
    if (choice.value >= program_.values().size()) {
      refuse("a form of value " + std::to_string(choice.value) + " of a program of " +
             std::to_string(program_.values().size()));
    }
    const ValueKind kind = values_[choice.value].kind;
    if (program_.is_given(choice.value)) {
      refuse(name(choice.value) + "which is there from the start and takes no memory of a pass");
    }
    if (kind == ValueKind::gradient) refuse(name(choice.value) + "which is a gradient");
    if (choice.option.restorations.empty()) refuse(name(choice.value) + "that nothing restores");
    if (choice.option.memory > Memory::host) {
      refuse(name(choice.value) + "in memory " +
             std::to_string(static_cast<unsigned>(choice.option.memory)) +
             ", which does not exist");
    }
    if (choice.option.is_exact() && choice.option.variance != 0) {
      refuse(name(choice.value) + "that is exact and adds a variance of " +
             std::to_string(choice.option.variance));
    }
    if (choice.option.memory == Memory::host && !choice.option.is_exact()) {
      refuse(name(choice.value) + "that is a copy in the host's memory and not exact");
    }
  }

  /// Who reads the value restored, in the program's order.
  [[nodiscard]] std::vector<FormRead> readers_of(const FormChoice& choice) const {
    std::vector<FormRead> reads = choice.reads;
    if (reads.empty()) reads = default_readers(choice);
    std::ranges::sort(reads, {}, &FormRead::reader);
    for (std::size_t i = 0; i < reads.size(); ++i) {
      check_reader(choice, reads[i]);
      if (i > 0 && reads[i].reader == reads[i - 1].reader) {
        refuse(name(choice.value) + "that " + program_.describe_operation(reads[i].reader) +
               " is to read twice");
      }
    }
    if (reads.empty()) refuse(name(choice.value) + "that no backward would read");
    return reads;
  }

  [[nodiscard]] std::vector<FormRead> default_readers(const FormChoice& choice) const {
    std::vector<FormRead> reads;
    for (const operation_id op : readers_of_value_[choice.value]) {
      if (!reads_value(op, choice.value)) continue;
      const OperationKind kind = operations_[op].kind;
      const bool restores = kind == OperationKind::decode || kind == OperationKind::fetch;
      const bool is_willing =
          kind == OperationKind::backward &&
          may_read_form(operations_[op], choice.value, choice.option.exactness, choice.bias);
      if (restores || is_willing) reads.push_back({.reader = op});
    }
    return reads;
  }

  void check_reader(const FormChoice& choice, const FormRead& read) const {
    if (read.reader >= operations_.size() || !reads_value(read.reader, choice.value)) {
      refuse(name(choice.value) + "for operation " + std::to_string(read.reader) + " of " +
             std::to_string(operations_.size()) + ", which does not read it");
    }
    const std::string reader = program_.describe_operation(read.reader);
    const Operation& op = operations_[read.reader];
    if (read.restoration >= choice.option.restorations.size()) {
      refuse(name(choice.value) + "that " + reader + " reads by restoration " +
             std::to_string(read.restoration) + " of " +
             std::to_string(choice.option.restorations.size()));
    }
    if (std::ranges::find(op.consumes, choice.value) != op.consumes.end()) {
      refuse(name(choice.value) + "for " + reader + ", which takes it over");
    }
    const bool makes_views = std::ranges::any_of(
        op.writes, [&](value_id written) { return values_[written].view_of == choice.value; });
    if (makes_views) {
      refuse(name(choice.value) + "for " + reader + ", which makes a view of it");
    }
    const bool restores = op.kind == OperationKind::decode || op.kind == OperationKind::fetch;
    if (choice.option.is_exact() || restores) return;
    if (op.kind == OperationKind::loss) {
      refuse(name(choice.value) +
             "that is approximate, for the loss: it is an output of the graph");
    }
    if (op.kind != OperationKind::backward) {
      refuse(name(choice.value) + "that is approximate, for " + reader +
             ": what is computed from it would be tainted");
    }
    if (!op.tolerates_read(choice.value)) {
      refuse(name(choice.value) + "that is approximate, for " + reader +
             ", which does not tolerate it");
    }
    if (!may_read_form(op, choice.value, choice.option.exactness, choice.bias)) {
      refuse(name(choice.value) + "that would bias the gradients of " + reader +
             ": allow bias, or choose an unbiased form of what they are linear in");
    }
  }

  [[nodiscard]] bool reads_value(operation_id op, value_id value) const {
    return std::ranges::find(operations_[op].reads, value) != operations_[op].reads.end();
  }
  // Up to the loss, where there is one: what backward reads exactly may be recomputed for it.
  [[nodiscard]] operation_id last_read_before(value_id value, operation_id first_reader) const {
    operation_id last = program_.maker(value);
    const operation_id end =
        program_.has_loss() && program_.loss() < first_reader ? program_.loss() + 1 : first_reader;
    for (const operation_id op : readers_of_value_[value]) {
      if (op > last && op < end && reads_value(op, value)) last = op;
    }
    return last;
  }

  // What is restored has memory of its own, also where the value is a view.
  [[nodiscard]] byte_count restored_bytes(const FormChoice& choice) const {
    if (choice.option.restored_bytes) return *choice.option.restored_bytes;
    const byte_count bytes = program_.values()[choice.value].bytes;
    if (bytes == 0) return program_.values()[storages_[choice.value]].bytes;
    return bytes;
  }

  void restore(const FormChoice& choice, const std::vector<FormRead>& reads, bool is_approximate,
               MadeForm& made) {
    made.restored.assign(choice.option.restorations.size(), MadeForm::no_value);
    made.restorers.assign(choice.option.restorations.size(), Program::no_operation);
    for (const FormRead& read : reads) {
      if (made.restored[read.restoration] == MadeForm::no_value) {
        add_restorer(choice, read, is_approximate, made);
      }
      const value_id restored = made.restored[read.restoration];
      std::ranges::replace(operations_[read.reader].reads, choice.value, restored);
    }
    if (says_releases_) release(reads, made);
  }

  void add_restorer(const FormChoice& choice, const FormRead& read, bool is_approximate,
                    MadeForm& made) {
    const Value original = values_[choice.value];
    const Restoration& how = choice.option.restorations[read.restoration];
    const value_id restored = add_value({.kind = ValueKind::restored,
                                         .node = original.node,
                                         .port = original.port,
                                         .bytes = restored_bytes(choice),
                                         .is_approximate = is_approximate,
                                         .form_of = choice.value});
    const bool is_in_host = choice.option.memory == Memory::host;
    made.restored[read.restoration] = restored;
    made.restorers[read.restoration] = add_operation(
        before_[read.reader], {.kind = is_in_host ? OperationKind::fetch : OperationKind::decode,
                               .node = original.node,
                               .layer = program_.layer(choice.value),
                               .reads = {made.form},
                               .writes = {restored},
                               .transient_bytes = how.transient_bytes,
                               .cost = how.cost,
                               .repeatable = true});
  }

  // Where the program says when the engine lets go, it says so of what is new as well.
  void release(const std::vector<FormRead>& reads, const MadeForm& made) {
    std::vector<operation_id> last_reader(made.restored.size(), Program::no_operation);
    operation_id last_restorer = Program::no_operation;
    for (const FormRead& read : reads) {
      if (last_reader[read.restoration] == Program::no_operation) {
        last_restorer = made.restorers[read.restoration];
      }
      last_reader[read.restoration] = read.reader;
    }
    for (std::size_t i = 0; i < last_reader.size(); ++i) {
      if (last_reader[i] == Program::no_operation) continue;
      operations_[last_reader[i]].releases.push_back(made.restored[i]);
    }
    added_[last_restorer].releases.push_back(made.form);
  }

  value_id add_value(const Value& value) {
    values_.push_back(value);
    return static_cast<value_id>(values_.size() - 1);
  }

  // Numbered among what is added, until all is in its place.
  operation_id add_operation(std::vector<std::size_t>& place, Operation op) {
    place.push_back(added_.size());
    added_.push_back(std::move(op));
    return static_cast<operation_id>(added_.size() - 1);
  }

  void number(const std::vector<operation_id>& number_of_added) {
    for (MadeForm& made : made_) {
      made.maker = number_of_added[made.maker];
      for (operation_id& restorer : made.restorers) {
        if (restorer != Program::no_operation) restorer = number_of_added[restorer];
      }
    }
  }

  const Program& program_;
  std::vector<Value> values_;
  std::vector<Operation> operations_;
  std::vector<Operation> added_;
  std::vector<value_id> storages_;
  std::vector<std::vector<operation_id>> readers_of_value_;  ///< in the given program, in order
  std::vector<std::vector<std::size_t>> before_;             ///< of each operation: what is added
  std::vector<std::vector<std::size_t>> after_;
  std::vector<MadeForm> made_;
  Exactness exactness_ = Exactness::exact;
  bool says_releases_ = false;
};

}  // namespace forming

/// Keeps values of a program in other forms: after a value's last read before the loss (where there
/// is none, before the first chosen reader) its form is made, before the first read of each
/// restoration it is restored, and the chosen readers read that in place of the value.
///
/// What is restored is a value of its own, so that every planner, bound and store works on the
/// result as it is. Choices are of values of the given program; a form of a form is chosen in the
/// program that this returns. Linear in the program and in the readers of what is chosen.
/// @throws InvalidArgument if a choice names what cannot be kept otherwise or a reader that does
///   not read it; if an approximate form would be read by a forward operation, by the loss (the
///   value is an output of the graph) or by a backward that does not tolerate it. What is computed
///   from gradients that such a backward makes is not concerned.
/// @throws InvalidGraph as `Program`, as for lanes in a program whose costs are FLOPs
[[nodiscard]] inline FormedProgram with_forms(const Program& program,
                                              std::span<const FormChoice> choices) {
  forming::Substitution substitution(program);
  for (const FormChoice& choice : choices) substitution.choose(choice);
  return std::move(substitution).finish();
}

}  // namespace reprise::inline v0
