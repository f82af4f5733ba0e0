// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A program's values by layer: what lies inside a layer and what goes between layers.

#include <cstddef>
#include <cstdint>
#include <reprise/core/error.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <string>
#include <vector>

namespace reprise::inline v0 {

/// Which of a program's values lie inside a layer, and which are outputs that another layer reads.
class LayerValues {
 public:
  /// Linear in the program.
  /// @throws InvalidArgument if the program has no loss operation.
  explicit LayerValues(const Program& program)
      : inside_(program.layer_count()), between_(program.layer_count()) {
    if (!program.has_loss()) {
      throw InvalidArgument("a program of " + std::to_string(program.operations().size()) +
                            " operations without a loss operation has no forward pass " +
                            "whose layers could be kept");
    }
    std::vector<std::uint8_t> crosses(program.values().size(), 0);
    for (operation_id op = 0; op < program.loss(); ++op) {
      const Operation& o = program.operations()[op];
      for (const value_id read : o.reads) {
        if (program.layer(read) != o.layer) crosses[read] = 1;
      }
    }
    for (value_id v = 0; v < program.values().size(); ++v) {
      if (!can_be_saved(program.values()[v].kind)) continue;
      (crosses[v] != 0 ? between_ : inside_)[program.layer(v)].push_back(v);
    }
  }

  /// Layers, those without values included.
  [[nodiscard]] std::size_t layer_count() const noexcept { return inside_.size(); }
  /// What the layer saved, the outputs that only it reads, and the forms in which its values are
  /// kept.
  [[nodiscard]] const std::vector<value_id>& inside(std::size_t layer) const noexcept {
    return inside_[layer];
  }
  /// The layer's outputs that other layers read.
  [[nodiscard]] const std::vector<value_id>& between(std::size_t layer) const noexcept {
    return between_[layer];
  }

 private:
  [[nodiscard]] static bool can_be_saved(ValueKind kind) noexcept {
    return kind == ValueKind::output || kind == ValueKind::saved || kind == ValueKind::form;
  }

  std::vector<std::vector<value_id>> inside_;
  std::vector<std::vector<value_id>> between_;
};

/// Sets the flags of some values.
inline void mark(SavedSet& set, const std::vector<value_id>& values, bool is_kept) {
  for (const value_id v : values) set[v] = is_kept ? 1 : 0;
}

}  // namespace reprise::inline v0
