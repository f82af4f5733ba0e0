// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What of a program can be kept in another form.

#include <algorithm>
#include <cstdint>
#include <reprise/codec/exactness.hpp>
#include <reprise/program/forms/bias.hpp>
#include <reprise/program/program.hpp>
#include <vector>

namespace reprise::inline v0 {

/// The tensors that some backward would read in another form, in their order: outputs, and tensors
/// of saved states that are values of their own (`SavedValues::by_tensor`), which a backward reads
/// and does not take over, and of approximate forms may read. Linear in the program.
/// @param exactness of the form
[[nodiscard]] inline std::vector<value_id> form_candidates(const Program& program,
                                                           Exactness exactness,
                                                           Bias bias = Bias::refused) {
  std::vector<std::uint8_t> is_candidate(program.values().size(), 0);
  for (const Operation& op : program.operations()) {
    if (op.kind != OperationKind::backward) continue;
    for (const value_id read : op.reads) {
      if (!may_read_form(op, read, exactness, bias)) continue;
      const Value& value = program.values()[read];
      const bool is_saved_tensor = value.kind == ValueKind::saved && value.port > 0;
      if (value.kind == ValueKind::output || is_saved_tensor) is_candidate[read] = 1;
    }
  }
  for (const Operation& op : program.operations()) {
    if (op.kind != OperationKind::backward) continue;
    for (const value_id consumed : op.consumes) is_candidate[consumed] = 0;
    for (const value_id written : op.writes) {
      const Value& value = program.values()[written];
      if (value.view_of) is_candidate[*value.view_of] = 0;
    }
  }
  std::vector<value_id> candidates;
  for (value_id v = 0; v < is_candidate.size(); ++v) {
    if (is_candidate[v] != 0 && !program.is_given(v)) candidates.push_back(v);
  }
  return candidates;
}

}  // namespace reprise::inline v0
