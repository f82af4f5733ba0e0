// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The rules that a program keeps, see `Program`.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <optional>
#include <reprise/core/byte_sum.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/program/operation.hpp>
#include <reprise/program/value.hpp>
#include <span>
#include <string>
#include <vector>

namespace reprise::inline v0 {

namespace program_check {

inline constexpr operation_id none = 0xFFFFFFFFU;
inline constexpr byte_count most_bytes = std::numeric_limits<std::int64_t>::max();
inline constexpr double most_cost = 1e150;
inline constexpr std::size_t most_empty_layers = 65536;

/// What a program is made from.
struct Parts {
  std::span<const Value> values;
  std::span<const Operation> operations;
  operation_id loss;
  std::size_t layer_count;
  std::span<const value_id> results;
};

/// Follows a program once, in its own order, and refuses the first thing that has no meaning.
class Walk {
 public:
  explicit Walk(const Parts& parts)
      : parts_(parts),
        makers_(parts.values.size(), none),
        is_sum_(parts.values.size(), 0),
        read_by_(parts.values.size(), none),
        consumed_by_(parts.values.size(), none),
        released_by_(parts.values.size(), none),
        is_result_(parts.values.size(), 0),
        stored_bytes_(parts.values.size(), 0) {
    check_size();
    check_turn();
    note_results();
    for (const Value& value : parts.values) check_value(value);
    for (operation_id op = 0; op < parts.operations.size(); ++op) check_operation(op);
    check_all_made();
    check_results();
    check_sums();
  }

  /// Of each value: the operation that makes it, or `none`.
  [[nodiscard]] const std::vector<operation_id>& makers() const noexcept { return makers_; }
  /// Of each value: 1 if another operation than its maker adds to it.
  [[nodiscard]] const std::vector<std::uint8_t>& sums() const noexcept { return is_sum_; }

 private:
  void check_size() const {
    if (parts_.values.size() >= none || parts_.operations.size() >= none) {
      throw InvalidGraph("a program of " + std::to_string(parts_.operations.size()) +
                         " operations and " + std::to_string(parts_.values.size()) +
                         " values has more than 32 bits count");
    }
    if (parts_.layer_count > parts_.operations.size() + most_empty_layers) {
      throw InvalidGraph(std::to_string(parts_.layer_count) + " layers of " +
                         std::to_string(parts_.operations.size()) + " operations: more than " +
                         std::to_string(most_empty_layers) + " have none");
    }
  }

  void check_turn() const {
    if (parts_.loss == none) return;
    if (parts_.loss >= parts_.operations.size() ||
        parts_.operations[parts_.loss].kind != OperationKind::loss) {
      throw InvalidGraph("operation " + std::to_string(parts_.loss) + " is not the program's loss");
    }
  }

  void check_value(const Value& value) const {
    if (value.kind > ValueKind::restored) {
      throw InvalidGraph("value " + number_of(value) + " is of kind " +
                         std::to_string(static_cast<unsigned>(value.kind)) +
                         ", which does not exist");
    }
    if (value.kind == ValueKind::input && value.bytes > 0) {
      throw InvalidGraph("graph input " + std::to_string(value.port) + " has " +
                         std::to_string(value.bytes) +
                         " bytes, but is the caller's: a constant is counted");
    }
    if (!value.view_of) return;
    if (*value.view_of >= parts_.values.size()) {
      throw InvalidGraph("value " + number_of(value) + " is a view of value " +
                         std::to_string(*value.view_of) + " of " +
                         std::to_string(parts_.values.size()));
    }
    if (is_given(value)) {
      throw InvalidGraph("value " + number_of(value) + ", " + name_of(value) +
                         ", is there from the start and cannot be a view of value " +
                         std::to_string(*value.view_of));
    }
  }

  void check_operation(operation_id op) {
    const Operation& o = parts_.operations[op];
    check_kind(op);
    check_cost(op);
    if (o.layer >= parts_.layer_count) {
      throw InvalidGraph(name_of(op) + " is of layer " + std::to_string(o.layer) + " of " +
                         std::to_string(parts_.layer_count));
    }
    for (const value_id read : o.reads) {
      check_there(op, read, "reads");
      read_by_[read] = op;
    }
    for (const value_id consumed : o.consumes) check_consumed(op, consumed);
    for (const value_id written : o.writes) check_written(op, written);
    for (const value_id part : o.accumulates) check_part(op, part);
    for (const value_id released : o.releases) check_released(op, released);
    note_bytes(op);
  }

  void check_kind(operation_id op) {
    const OperationKind kind = parts_.operations[op].kind;
    if (kind > OperationKind::fetch) {
      throw InvalidGraph("operation " + std::to_string(op) + " is of kind " +
                         std::to_string(static_cast<unsigned>(kind)) + ", which does not exist");
    }
    if (kind == OperationKind::loss) {
      const operation_id first = parts_.loss != none ? parts_.loss : first_loss_;
      if (first != none && first != op) {
        throw InvalidGraph("operation " + std::to_string(op) + " is a loss, and so is operation " +
                           std::to_string(first));
      }
      first_loss_ = op;
    }
    if (kind == OperationKind::backward && parts_.loss != none && op < parts_.loss) {
      throw InvalidGraph(name_of(op) + ", operation " + std::to_string(op) +
                         ", comes before the loss, operation " + std::to_string(parts_.loss));
    }
  }

  void check_cost(operation_id op) {
    const double cost = parts_.operations[op].cost;
    if (!(cost >= 0) || !std::isfinite(cost)) {
      throw InvalidGraph(name_of(op) + " costs " + std::to_string(cost));
    }
    cost_ += cost;
    if (cost_ > most_cost) {
      std::array<char, 96> text{};
      std::snprintf(text.data(), text.size(), " costs %g: with it the sum of all passes %g", cost,
                    most_cost);
      throw InvalidGraph(name_of(op) + text.data());
    }
  }

  void check_consumed(operation_id op, value_id consumed) {
    check_there(op, consumed, "consumes");
    if (read_by_[consumed] != op) refuse(op, "consumes what it does not read", consumed);
    const Value& value = parts_.values[consumed];
    if (is_given(value)) refuse(op, "consumes what is there from the start", consumed);
    if (value.stays) refuse(op, "consumes what stays", consumed);
    consumed_by_[consumed] = op;
  }

  void check_written(operation_id op, value_id written) {
    check_exists(op, written);
    const Value& value = parts_.values[written];
    if (is_given(value)) refuse(op, "makes what is there from the start", written);
    if (makers_[written] != none) refuse(op, "makes a second time", written);
    if (value.view_of && read_by_[*value.view_of] != op) {
      refuse(op, "makes a view of what it does not read", *value.view_of);
    }
    if (value.view_of && consumed_by_[*value.view_of] == op) {
      refuse(op, "makes a view of what it consumes", *value.view_of);
    }
    makers_[written] = op;
    stored_bytes_[written] = value.view_of ? stored_bytes(*value.view_of) : value.bytes;
  }

  void check_part(operation_id op, value_id part) {
    check_there(op, part, "adds to");
    if (parts_.values[part].kind != ValueKind::gradient) {
      refuse(op, "adds to what is no gradient", part);
    }
    if (makers_[part] != op) is_sum_[part] = 1;
  }

  void check_released(operation_id op, value_id released) {
    check_exists(op, released);
    const Value& value = parts_.values[released];
    if (!is_given(value) && makers_[released] == none) {
      refuse(op, "releases before it is made", released);
    }
    if (is_given(value) || value.stays || is_result_[released] != 0) return;
    if (released_by_[released] != none) refuse(op, "releases a second time", released);
    released_by_[released] = op;
  }

  void note_results() {
    for (const value_id result : parts_.results) {
      check_exists(none, result);
      is_result_[result] = 1;
    }
  }

  // A result that is not made is the mistake of the list.
  void check_all_made() const {
    for (value_id v = 0; v < parts_.values.size(); ++v) {
      if (is_given(parts_.values[v]) || makers_[v] != none || is_result_[v] != 0) continue;
      throw InvalidGraph("no operation makes value " + std::to_string(v) + ": " +
                         name_of(parts_.values[v]));
    }
  }

  void check_results() const {
    for (const value_id result : parts_.results) check_there(none, result, "reads");
  }

  /// Refuses a value that is not there when an operation, or whoever asks for results, needs it.
  void check_there(operation_id op, value_id value, const char* does) const {
    check_exists(op, value);
    if (is_given(parts_.values[value])) return;
    const std::string verb = does;
    if (makers_[value] == none) refuse(op, verb + " before it is made", value);
    if (consumed_by_[value] != none) {
      refuse(op, verb + " what " + name_of(consumed_by_[value]) + " consumed", value);
    }
    if (released_by_[value] != none) {
      refuse(op, verb + " what " + name_of(released_by_[value]) + " released", value);
    }
  }

  void check_exists(operation_id op, value_id value) const {
    if (value < parts_.values.size()) return;
    throw InvalidGraph(name_of(op) + " names value " + std::to_string(value) + " of " +
                       std::to_string(parts_.values.size()));
  }

  // ---- bytes ----

  [[nodiscard]] byte_count stored_bytes(value_id value) const {
    return is_given(parts_.values[value]) ? parts_.values[value].bytes : stored_bytes_[value];
  }

  // While it runs: copies of all that it makes, parts, and the transient.
  void note_bytes(operation_id op) {
    const Operation& o = parts_.operations[op];
    std::optional<byte_count> bytes = o.transient_bytes;
    for (const auto* list : {&o.writes, &o.accumulates}) {
      for (const value_id value : *list) bytes = sum(bytes, parts_.values[value].bytes);
    }
    if (!bytes) refuse_bytes(name_of(op) + " makes");
    most_during_ = std::max(most_during_, *bytes);
  }

  // A view may hold on to a storage of its source that was made anew since, so that each value may
  // have the bytes of its source to itself.
  void check_sums() const {
    std::optional<byte_count> bytes = most_during_;
    std::optional<byte_count> host_bytes = 0;
    for (value_id v = 0; v < parts_.values.size(); ++v) {
      bytes = sum(bytes, std::max(parts_.values[v].bytes, stored_bytes(v)));
      host_bytes = sum(host_bytes, parts_.values[v].host_bytes);
    }
    if (!bytes) refuse_bytes("all values, and what one operation takes while it runs, are");
    if (!host_bytes) refuse_bytes("all values in the host's memory are");
  }

  [[nodiscard]] static std::optional<byte_count> sum(std::optional<byte_count> so_far,
                                                     byte_count bytes) noexcept {
    const std::optional<byte_count> both =
        so_far ? byte_sum(*so_far, bytes) : std::optional<byte_count>{};
    return both && *both <= most_bytes ? both : std::nullopt;
  }

  [[noreturn]] static void refuse_bytes(const std::string& what) {
    throw InvalidGraph(what + " more than " + std::to_string(most_bytes) + " bytes");
  }

  // ---- names ----

  [[noreturn]] void refuse(operation_id op, const std::string& what, value_id value) const {
    throw InvalidGraph(name_of(op) + " " + what + ": " + name_of(parts_.values[value]));
  }
  [[nodiscard]] static bool is_given(const Value& value) noexcept {
    return value.kind == ValueKind::input || value.kind == ValueKind::constant;
  }
  [[nodiscard]] std::string number_of(const Value& value) const {
    return std::to_string(&value - parts_.values.data());
  }
  [[nodiscard]] std::string name_of(const Value& value) const {
    return describe(value, parts_.loss != none);
  }
  [[nodiscard]] std::string name_of(operation_id op) const {
    return op == none ? "the list of results"
                      : describe(parts_.operations[op], op, parts_.loss != none);
  }

  Parts parts_;
  std::vector<operation_id> makers_;
  std::vector<std::uint8_t> is_sum_;
  std::vector<operation_id> read_by_;  ///< of each value: the last one that did
  std::vector<operation_id> consumed_by_;
  std::vector<operation_id> released_by_;
  std::vector<std::uint8_t> is_result_;
  std::vector<byte_count> stored_bytes_;  ///< of each value: those of the storage that it is in
  operation_id first_loss_ = none;
  byte_count most_during_ = 0;
  double cost_ = 0;
};

}  // namespace program_check

}  // namespace reprise::inline v0
