// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What runs in one forward and backward pass, what it reads and what it makes.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/core/hash.hpp>
#include <reprise/core/units.hpp>
#include <reprise/program/check_program.hpp>
#include <reprise/program/form_rules.hpp>
#include <reprise/program/operation.hpp>
#include <reprise/program/value.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// All operations of one pass in the engine's order: immutable, checked when it is made.
///
/// What each operation names is there when it runs, if all run once in that order:
/// - A value is given (a graph input or a constant) or made by exactly one operation.
/// - What is read, added to or a result is given, or was made before and neither consumed nor
///   released before. An operation does not read what it makes itself.
/// - What is consumed is read by the same operation, named once, not given, does not stay and is
///   not needed later. Its views may be: they hold on to its bytes.
/// - A view's source is read and not consumed by the operation that makes the view; what is given
///   is no view. So views have no cycles.
/// - What is added to is a gradient. An operation may add to what it makes itself.
/// - What is released was made before or by the same operation, and is released once. To release
///   what is given, stays or is a result has no effect.
/// - One operation at most is a loss, the program's where one is known, and no backward comes
///   before that. What runs after it may be a forward, as in a recorded program whose loss somebody
///   chose.
/// - Each operation is of one of the layers; 65,536 layers at most are without operations.
/// - Costs are numbers from 0, 1e150 together at most: products and squares of them are finite.
/// - Forms keep the rules of `FormRules`: what makes and restores them is of the kinds that do,
///   and what is approximate is read by nobody who does not tolerate it.
/// - All values, each view as if it had its source's bytes to itself, and what the largest
///   operation takes while it runs, are 2^63 - 1 bytes together at most: no schedule of the
///   program then holds more than can be counted.
///
/// Nodes and ports are names for messages.
class Program {
 public:
  static constexpr operation_id no_operation = 0xFFFFFFFFU;  ///< no maker, or no loss

  /// Linear in all that the operations name.
  /// @param loss the operation between forward and backward that the engine runs; `no_operation`
  ///   for a recorded program, which has no loss operation
  /// @param layer_count layers, those without operations included
  /// @param results what must be present at the end, in the order in which the engine asks for it
  /// @throws InvalidGraph for the first rule that is broken, with the operation and the value.
  Program(std::vector<Value> values, std::vector<Operation> operations, operation_id loss,
          std::size_t layer_count, bool cost_is_flops, std::vector<value_id> results = {})
      : values_(std::move(values)),
        operations_(std::move(operations)),
        results_(std::move(results)),
        loss_(loss),
        layer_count_(layer_count),
        cost_is_flops_(cost_is_flops) {
    check();
    fingerprint_ = hash();
  }

  /// All values; a `value_id` counts them.
  [[nodiscard]] std::span<const Value> values() const noexcept { return values_; }
  /// All operations in the order in which the engine runs each of them once.
  [[nodiscard]] std::span<const Operation> operations() const noexcept { return operations_; }
  /// The operation that makes a value first; `no_operation` for graph inputs and constants.
  [[nodiscard]] operation_id maker(value_id value) const noexcept { return makers_[value]; }
  /// The operation between forward and backward; `no_operation` where none is known.
  [[nodiscard]] operation_id loss() const noexcept { return loss_; }
  /// False for a recorded program, which does not say where its forward ends.
  [[nodiscard]] bool has_loss() const noexcept { return loss_ != no_operation; }
  /// What must be present at the end, in the order in which the engine asks for it.
  [[nodiscard]] std::span<const value_id> results() const noexcept { return results_; }
  /// True for what is there from the start and is never dropped.
  [[nodiscard]] bool is_given(value_id value) const noexcept {
    const ValueKind kind = values_[value].kind;
    return kind == ValueKind::input || kind == ValueKind::constant;
  }
  /// Layers, those without operations included.
  [[nodiscard]] std::size_t layer_count() const noexcept { return layer_count_; }
  /// True if costs are FLOPs, false if they are measured seconds.
  [[nodiscard]] bool cost_is_flops() const noexcept { return cost_is_flops_; }
  /// The layer of a value: that of the node it belongs to.
  [[nodiscard]] std::uint32_t layer(value_id value) const noexcept {
    const operation_id op = makers_[value];
    return op == no_operation ? 0 : operations_[op].layer;
  }
  /// The cost of all forwards, each once; of all operations where no loss is known.
  [[nodiscard]] double forward_cost() const noexcept {
    double cost = 0;
    const std::size_t end = has_loss() ? loss_ : operations_.size();
    for (std::size_t op = 0; op < end; ++op) cost += operations_[op].cost;
    return cost;
  }
  /// A hash of everything that a schedule depends on; equal programs have equal ones.
  [[nodiscard]] std::uint64_t fingerprint() const noexcept { return fingerprint_; }

  /// True if a value is a form of another one: some memory is the host's, or some content coded.
  [[nodiscard]] bool has_forms() const noexcept { return has_forms_; }

  /// True if another operation than its maker adds to the value: the maker alone does not make it
  /// again.
  [[nodiscard]] bool is_sum(value_id value) const noexcept { return is_sum_[value] != 0; }

  /// "output 0 of node 3", for messages.
  /// @throws InvalidArgument if there is no such value
  [[nodiscard]] std::string describe(value_id value) const {
    if (value >= values_.size()) refuse_number("value", value, values_.size());
    const Value& described = values_[value];
    if (described.kind != ValueKind::form && described.kind != ValueKind::restored) {
      return reprise::describe(described, has_loss());
    }
    return (described.kind == ValueKind::form ? "form of " : "restored ") +
           describe(*described.form_of);
  }
  /// "forward of node 3", for messages.
  /// @throws InvalidArgument if there is no such operation
  [[nodiscard]] std::string describe_operation(operation_id op) const {
    if (op >= operations_.size()) refuse_number("operation", op, operations_.size());
    return reprise::describe(operations_[op], op, has_loss());
  }

 private:
  void check() {
    const program_check::Walk walk(parts());
    makers_ = walk.makers();
    is_sum_ = walk.sums();
    if (!program_check::names_forms(values_, operations_)) return;
    has_forms_ =
        std::ranges::any_of(values_, [](const Value& value) { return value.form_of.has_value(); });
    program_check::FormRules(parts(), makers_, cost_is_flops_).check();
  }

  [[nodiscard]] program_check::Parts parts() const noexcept {
    return {.values = values_,
            .operations = operations_,
            .loss = loss_,
            .layer_count = layer_count_,
            .results = results_};
  }

  [[nodiscard]] std::uint64_t hash() const noexcept {
    std::uint64_t hash = hash_combine(values_.size(), operations_.size());
    for (const Value& value : values_) {
      hash = hash_combine(hash, value.bytes);
      hash = hash_combine(hash, static_cast<std::uint64_t>(value.kind));
      hash = hash_combine(hash, value.view_of ? std::uint64_t{*value.view_of} + 1 : 0);
      hash = hash_combine(hash, value.stays ? 1 : 0);
    }
    for (operation_id op = 0; op < operations_.size(); ++op) {
      const Operation& o = operations_[op];
      for (const auto* list : {&o.writes, &o.reads}) {
        for (const value_id value : *list) {
          hash = hash_combine(hash, (std::uint64_t{op} << 32U) + value);
        }
      }
      for (const value_id value : o.consumes) hash = hash_combine(hash, value);
      hash = hash_combine(hash, o.consumes.size());
      for (const value_id value : o.accumulates) hash = hash_combine(hash, value);
      hash = hash_combine(hash, o.accumulates.size());
      hash = hash_combine(hash, o.transient_bytes);
      hash = hash_combine(hash, (o.repeatable ? 1U : 0U) + (o.adds_in_place ? 2U : 0U) +
                                    (o.can_skip_output ? 4U : 0U));
    }
    for (const value_id value : results_) hash = hash_combine(hash, value);
    return has_forms_ ? hash_of_forms(hash) : hash;
  }

  [[nodiscard]] std::uint64_t hash_of_forms(std::uint64_t hash) const noexcept {
    for (const Value& value : values_) {
      hash = hash_combine(hash, value.host_bytes);
      hash = hash_combine(hash, value.form_of ? std::uint64_t{*value.form_of} + 1 : 0);
      hash = hash_combine(hash, value.is_approximate ? 1 : 0);
    }
    for (const Operation& op : operations_) {
      hash = hash_combine(hash, static_cast<std::uint64_t>(op.kind));
      hash = hash_combine(hash, std::uint64_t{op.linear} << 32U | op.tolerates);
    }
    return hash;
  }

  [[noreturn]] static void refuse_number(const char* what, std::uint32_t number,
                                         std::size_t count) {
    throw InvalidArgument(std::string(what) + " " + std::to_string(number) + " of a program of " +
                          std::to_string(count));
  }

  std::vector<Value> values_;
  std::vector<Operation> operations_;
  std::vector<value_id> results_;
  std::vector<operation_id> makers_;
  std::vector<std::uint8_t> is_sum_;
  operation_id loss_;
  std::size_t layer_count_;
  bool cost_is_flops_;
  bool has_forms_ = false;
  std::uint64_t fingerprint_ = 0;
};

}  // namespace reprise::inline v0
