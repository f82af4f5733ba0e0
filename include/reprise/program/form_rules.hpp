// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The rules that a program's forms keep, see `Program`.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <reprise/core/error.hpp>
#include <reprise/program/check_program.hpp>
#include <reprise/program/operation.hpp>
#include <reprise/program/value.hpp>
#include <span>
#include <string>
#include <vector>

namespace reprise::inline v0::program_check {

/// Whether something in a program has to do with forms.
[[nodiscard]] inline bool names_forms(std::span<const Value> values,
                                      std::span<const Operation> operations) {
  return std::ranges::any_of(values,
                             [](const Value& value) {
                               return value.form_of || value.kind > ValueKind::gradient ||
                                      value.host_bytes > 0 || value.is_approximate ||
                                      value.variance != 0;
                             }) ||
         std::ranges::any_of(operations, [](const Operation& op) {
           return op.kind > OperationKind::backward || op.tolerates != 0 || op.linear != 0;
         });
}

/// What is asked of forms, beyond what holds for every value and operation:
/// - A form stands for a value that is made in the program and is no gradient; `encode` and
///   `offload` read one value and make one form of it. An encoded form has bytes of the device, an
///   offloaded one bytes of the host.
/// - `decode` reads a form of the device, `fetch` one of the host; both make one restored value,
///   which stands for what the form stands for. A form may itself have forms: a code that is
///   offloaded.
/// - What comes of approximate content is approximate, as far as forms go.
/// - A form is read by nothing else. What is restored and approximate is read only by a backward
///   that tolerates it, never by a forward or the loss, and is no result.
/// - Forms and what is restored share nobody's storage, stay nowhere, are not taken over.
/// - A program with lanes has its costs in seconds: that a copy is hidden is a matter of time.
class FormRules {
 public:
  /// @param makers of each value, as `Walk` found them
  FormRules(const Parts& parts, std::span<const operation_id> makers, bool cost_is_flops)
      : parts_(parts), makers_(makers), cost_is_flops_(cost_is_flops) {}

  /// @throws InvalidGraph for the first rule that is broken
  void check() const {
    for (value_id v = 0; v < parts_.values.size(); ++v) check_value(v);
    for (operation_id op = 0; op < parts_.operations.size(); ++op) check_operation(op);
    for (const value_id result : parts_.results) {
      const Value& value = parts_.values[result];
      if (value.kind == ValueKind::form) refuse_value(result, "is a result, and a form");
      if (value.is_approximate) refuse_value(result, "is a result, and approximate");
    }
  }

 private:
  void check_value(value_id v) const {
    const Value& value = parts_.values[v];
    if (value.kind != ValueKind::form && value.kind != ValueKind::restored) {
      if (value.form_of) refuse_value(v, "is the form of a value, and not of the kind of forms");
      if (value.host_bytes > 0) refuse_value(v, "has bytes of the host, and is no form");
      if (value.is_approximate) refuse_value(v, "is approximate, and stands for nothing");
      if (value.variance != 0) refuse_value(v, "has a variance, and is no form");
      return;
    }
    if (!value.form_of) refuse_value(v, "does not say what it stands for");
    if (*value.form_of >= parts_.values.size() || *value.form_of == v) {
      refuse_value(v, "stands for value " + std::to_string(*value.form_of) + " of " +
                          std::to_string(parts_.values.size()));
    }
    const Value& original = parts_.values[*value.form_of];
    if (original.kind == ValueKind::input || original.kind == ValueKind::constant) {
      refuse_value(v, "stands for what is there from the start");
    }
    if (original.kind == ValueKind::gradient) refuse_value(v, "stands for a gradient");
    if (value.view_of || value.stays) refuse_value(v, "is a form, and a view or stays");
    if (!(value.variance >= 0) || !std::isfinite(value.variance) ||
        (value.variance > 0 && !(value.is_approximate && value.kind == ValueKind::form))) {
      refuse_value(v, "has a variance of " + std::to_string(value.variance));
    }
    if (value.host_bytes > 0 && value.kind == ValueKind::restored) {
      refuse_value(v, "is restored to the host");
    }
    if (value.is_approximate || !original.is_approximate) return;
    refuse_value(v, "is exact, and stands for what is approximate");
  }

  void check_operation(operation_id op) const {
    const Operation& o = parts_.operations[op];
    switch (o.kind) {
      case OperationKind::encode:
      case OperationKind::offload:
        return check_making(op);
      case OperationKind::decode:
      case OperationKind::fetch:
        return check_restoring(op);
      case OperationKind::forward:
      case OperationKind::loss:
      case OperationKind::backward:
        return check_reading(op);
    }
  }

  void check_making(operation_id op) const {
    const Operation& o = parts_.operations[op];
    check_plain(op);
    const Value& form = parts_.values[o.writes.front()];
    if (form.kind != ValueKind::form || form.form_of != o.reads.front()) {
      refuse(op, "makes what is no form of what it reads", o.writes.front());
    }
    const bool is_offload = o.kind == OperationKind::offload;
    if (is_offload ? form.bytes > 0 : form.host_bytes > 0) {
      refuse(op, "makes a form in the other memory", o.writes.front());
    }
  }

  void check_restoring(operation_id op) const {
    const Operation& o = parts_.operations[op];
    check_plain(op);
    const value_id form = form_behind(o.reads.front());
    if (form == none) refuse(op, "restores from what is no form", o.reads.front());
    const Value& restored = parts_.values[o.writes.front()];
    if (restored.kind != ValueKind::restored || restored.form_of != parts_.values[form].form_of) {
      refuse(op, "restores another value than its form stands for", o.writes.front());
    }
    const bool is_in_host = form == o.reads.front() && is_offloaded(form);
    if (is_in_host != (o.kind == OperationKind::fetch)) {
      refuse(op, "restores from the other memory", o.reads.front());
    }
    if (parts_.values[form].is_approximate && !restored.is_approximate) {
      refuse(op, "restores exactly what is approximate", o.writes.front());
    }
  }

  // One read, one written, in no other way.
  void check_plain(operation_id op) const {
    const Operation& o = parts_.operations[op];
    if (o.reads.size() != 1 || o.writes.size() != 1 || !o.accumulates.empty() ||
        !o.consumes.empty() || o.tolerates != 0) {
      throw InvalidGraph(name_of(op) + " reads " + std::to_string(o.reads.size()) +
                         " values and makes " + std::to_string(o.writes.size()) +
                         ": it must read one and make one, and nothing else");
    }
    if (lane_of(o.kind) != Lane::compute && cost_is_flops_) {
      throw InvalidGraph(name_of(op) +
                         " goes beside computing, in a program whose costs are FLOPs: what it "
                         "takes is known in seconds only");
    }
  }

  void check_reading(operation_id op) const {
    const Operation& o = parts_.operations[op];
    if (o.tolerates != 0 && o.kind != OperationKind::backward) {
      throw InvalidGraph(name_of(op) + " is no backward, and tolerates something approximate");
    }
    if ((o.linear & ~o.tolerates) != 0) {
      throw InvalidGraph(name_of(op) + " is linear in a value that it does not tolerate");
    }
    if (o.reads.size() < 32 && (o.tolerates >> o.reads.size()) != 0) {
      throw InvalidGraph(name_of(op) + " tolerates more than the " +
                         std::to_string(o.reads.size()) + " values that it reads");
    }
    for (const value_id read : o.reads) check_read(op, read);
    for (const value_id written : o.writes) {
      const ValueKind kind = parts_.values[written].kind;
      if (kind == ValueKind::form || kind == ValueKind::restored) {
        refuse(op, "is of a node or the loss, and makes", written);
      }
    }
    for (const value_id consumed : o.consumes) {
      if (parts_.values[consumed].form_of) refuse(op, "takes over", consumed);
    }
  }

  void check_read(operation_id op, value_id read) const {
    const Operation& o = parts_.operations[op];
    if (form_behind(read) != none) refuse(op, "reads a form", read);
    if (!parts_.values[read].is_approximate) return;
    if (o.kind != OperationKind::backward) refuse(op, "is exact, and reads approximately", read);
    if (!o.tolerates_read(read)) {
      refuse(op, "does not tolerate", read);
    }
  }

  /// The form that a value is, or is a restored copy of; `none` if it is neither.
  [[nodiscard]] value_id form_behind(value_id v) const {
    const Value& value = parts_.values[v];
    if (value.kind == ValueKind::form) return v;
    if (value.kind != ValueKind::restored) return none;
    return parts_.values[*value.form_of].kind == ValueKind::form ? *value.form_of : none;
  }
  [[nodiscard]] bool is_offloaded(value_id form) const {
    return parts_.operations[makers_[form]].kind == OperationKind::offload;
  }

  [[nodiscard]] std::string name_of(operation_id op) const {
    return describe(parts_.operations[op], op, parts_.loss != none);
  }
  [[noreturn]] void refuse(operation_id op, const std::string& what, value_id value) const {
    throw InvalidGraph(name_of(op) + " " + what + ": value " + std::to_string(value) + ", " +
                       describe(parts_.values[value], parts_.loss != none));
  }
  [[noreturn]] void refuse_value(value_id v, const std::string& what) const {
    throw InvalidGraph("value " + std::to_string(v) + ", " +
                       describe(parts_.values[v], parts_.loss != none) + ", " + what);
  }

  Parts parts_;
  std::span<const operation_id> makers_;
  bool cost_is_flops_;
};

}  // namespace reprise::inline v0::program_check
