// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What runs in one forward and backward pass, what it reads and what it makes.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/core/hash.hpp>
#include <reprise/core/units.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// The number of a value in its program.
using value_id = std::uint32_t;
/// The number of an operation in its program.
using operation_id = std::uint32_t;

/// What a value is.
enum class ValueKind : std::uint8_t {
  input,     ///< a graph input: borrowed, no bytes, always present
  constant,  ///< a recorded program's weight or input: there from the start, pinned, counted
  output,    ///< a port of a node
  saved,     ///< what a node's backward needs besides its inputs and outputs
  gradient,  ///< the gradient of an output or of a graph input
};

/// Something that takes bytes.
struct Value {
  static constexpr std::uint32_t no_node = 0xFFFFFFFFU;  ///< of what belongs to no node

  ValueKind kind = ValueKind::output;  ///< what it is of its node
  std::uint32_t node = no_node;  ///< its node; of a gradient: the node of what it is a gradient of
  std::uint32_t port = 0;        ///< of its node; of graph inputs and their gradients: which input
  byte_count bytes = 0;          ///< as requested, while it is there
  std::optional<value_id> view_of{};  ///< shares the storage of this value
  bool stays = false;                 ///< never dropped: the gradient of a graph input
};

/// What an operation is.
enum class OperationKind : std::uint8_t {
  forward,   ///< of a node
  turn,      ///< between forward and backward: what makes the gradients of the graph's outputs
  backward,  ///< of a node
};

/// Something that runs.
struct Operation {
  OperationKind kind = OperationKind::forward;  ///< which of its node's
  std::uint32_t node = Value::no_node;          ///< its node, but for a turn
  std::uint32_t layer = 0;                      ///< of its node; layers are numbered 0, 1, 2, …
  std::vector<value_id> reads{};                ///< must be present
  std::vector<value_id> writes{};               ///< made anew
  std::vector<value_id> consumes{};             ///< of what it reads: gone once it starts
  std::vector<value_id> accumulates{};          ///< gradients it adds a part to, once for each part
  std::vector<value_id> releases{};  ///< the engine itself is done with these once it ran
  byte_count transient_bytes = 0;    ///< beyond all that it makes
  double cost = 0;                   ///< FLOPs or seconds, see `Program::cost_is_flops`
  bool repeatable = false;           ///< may run again, for what it wrote that is gone
  bool adds_in_place = false;        ///< its parts need no memory of their own
  bool can_skip_output = false;      ///< a rerun whose outputs nobody reads may make none
};

/// All operations of one pass in the engine's order: immutable, checked when it is made.
class Program {
 public:
  static constexpr operation_id no_operation = 0xFFFFFFFFU;  ///< no maker, or no turn

  /// @param turn the operation between forward and backward that the engine runs; `no_operation`
  ///   for a recorded program, which does not say where it turns
  /// @param results what must be present at the end, in the order in which the engine asks for it
  /// @throws InvalidGraph if an operation names a value that does not exist, reads one that nothing
  ///   made before it or has a cost that is negative or not finite, if a value has two first
  ///   makers, or a graph input has bytes.
  Program(std::vector<Value> values, std::vector<Operation> operations, operation_id turn,
          std::size_t layer_count, bool cost_is_flops, std::vector<value_id> results = {})
      : values_(std::move(values)),
        operations_(std::move(operations)),
        makers_(values_.size(), no_operation),
        results_(std::move(results)),
        turn_(turn),
        layer_count_(layer_count),
        cost_is_flops_(cost_is_flops) {
    check();
  }

  /// All values; a `value_id` counts them.
  [[nodiscard]] std::span<const Value> values() const noexcept { return values_; }
  /// All operations in the order in which the engine runs each of them once.
  [[nodiscard]] std::span<const Operation> operations() const noexcept { return operations_; }
  /// The operation that makes a value first; `no_operation` for graph inputs and constants.
  [[nodiscard]] operation_id maker(value_id value) const noexcept { return makers_[value]; }
  /// The operation between forward and backward; `no_operation` where none is known.
  [[nodiscard]] operation_id turn() const noexcept { return turn_; }
  /// False for a recorded program, which does not say where its forward ends.
  [[nodiscard]] bool has_turn() const noexcept { return turn_ != no_operation; }
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
  /// The cost of all forwards, each once; of all operations where no turn is known.
  [[nodiscard]] double forward_cost() const noexcept {
    double cost = 0;
    const std::size_t end = has_turn() ? turn_ : operations_.size();
    for (std::size_t op = 0; op < end; ++op) cost += operations_[op].cost;
    return cost;
  }
  /// A hash of everything that a schedule depends on; equal programs have equal ones.
  [[nodiscard]] std::uint64_t fingerprint() const noexcept { return fingerprint_; }

  /// "output 0 of node 3", for messages.
  [[nodiscard]] std::string describe(value_id value) const {
    const Value& v = values_[value];
    const std::string port = std::to_string(v.port);
    const std::string node = v.node == Value::no_node
                                 ? "the graph"
                                 : (has_turn() ? "node " : "operation ") + std::to_string(v.node);
    switch (v.kind) {
      case ValueKind::input:
        return "graph input " + port;
      case ValueKind::constant:
        return "constant " + port;
      case ValueKind::saved:
        return "saved state of " + node;
      case ValueKind::gradient:
        return v.node == Value::no_node ? "gradient of graph input " + port
                                        : "gradient of output " + port + " of " + node;
      case ValueKind::output:
        break;
    }
    return "output " + port + " of " + node;
  }
  /// "forward of node 3", for messages.
  [[nodiscard]] std::string describe_operation(operation_id op) const {
    const Operation& o = operations_[op];
    if (o.kind == OperationKind::turn) return "the turn";
    if (!has_turn()) return "operation " + std::to_string(op);
    return (o.kind == OperationKind::forward ? "forward of node " : "backward of node ") +
           std::to_string(o.node);
  }

 private:
  void check() {
    if (has_turn() &&
        (turn_ >= operations_.size() || operations_[turn_].kind != OperationKind::turn)) {
      throw InvalidGraph("operation " + std::to_string(turn_) + " is not the program's turn");
    }
    std::uint64_t hash = hash_combine(values_.size(), operations_.size());
    for (const Value& value : values_) {
      if (value.kind == ValueKind::input && value.bytes > 0) refuse_bytes(value);
      hash = hash_combine(hash, value.bytes);
      hash = hash_combine(hash, static_cast<std::uint64_t>(value.kind));
      hash = hash_combine(hash, value.view_of ? std::uint64_t{*value.view_of} + 1 : 0);
      hash = hash_combine(hash, value.stays ? 1 : 0);
    }
    for (operation_id op = 0; op < operations_.size(); ++op) {
      const Operation& o = operations_[op];
      if (!(o.cost >= 0) || !std::isfinite(o.cost)) {
        throw InvalidGraph(describe_operation(op) + " costs " + std::to_string(o.cost));
      }
      for (const value_id value : o.writes) {
        check_exists(op, value);
        if (makers_[value] != no_operation) refuse(op, value, "makes a second time");
        makers_[value] = op;
        hash = hash_combine(hash, (std::uint64_t{op} << 32U) + value);
      }
      for (const value_id value : o.accumulates) check_made(op, value);
      for (const value_id value : o.reads) {
        check_made(op, value);
        hash = hash_combine(hash, (std::uint64_t{op} << 32U) + value);
      }
      for (const value_id value : o.consumes) {
        check_exists(op, value);
        hash = hash_combine(hash, value);
      }
      for (const value_id value : o.releases) check_exists(op, value);
      hash = hash_combine(hash, o.consumes.size());
      for (const value_id value : o.accumulates) hash = hash_combine(hash, value);
      hash = hash_combine(hash, o.accumulates.size());
      hash = hash_combine(hash, o.transient_bytes);
      hash = hash_combine(hash, (o.repeatable ? 1U : 0U) + (o.adds_in_place ? 2U : 0U) +
                                    (o.can_skip_output ? 4U : 0U));
    }
    for (const value_id value : results_) {
      check_made(no_operation, value);
      hash = hash_combine(hash, value);
    }
    fingerprint_ = hash;
  }
  void check_exists(operation_id op, value_id value) const {
    if (value >= values_.size()) {
      throw InvalidGraph(name_of(op) + " names value " + std::to_string(value) + " of " +
                         std::to_string(values_.size()));
    }
  }
  void check_made(operation_id op, value_id value) const {
    check_exists(op, value);
    if (!is_given(value) && makers_[value] == no_operation) {
      refuse(op, value, "reads before it is made");
    }
  }
  [[noreturn]] static void refuse_bytes(const Value& input) {
    throw InvalidGraph("graph input " + std::to_string(input.port) + " has " +
                       std::to_string(input.bytes) +
                       " bytes, but is the caller's: a constant is counted");
  }
  [[noreturn]] void refuse(operation_id op, value_id value, const char* what) const {
    throw InvalidGraph(name_of(op) + " " + what + ": " + describe(value));
  }
  [[nodiscard]] std::string name_of(operation_id op) const {
    return op == no_operation ? "the list of results" : describe_operation(op);
  }

  std::vector<Value> values_;
  std::vector<Operation> operations_;
  std::vector<operation_id> makers_;
  std::vector<value_id> results_;
  operation_id turn_;
  std::size_t layer_count_;
  bool cost_is_flops_;
  std::uint64_t fingerprint_ = 0;
};

}  // namespace reprise::inline v0
