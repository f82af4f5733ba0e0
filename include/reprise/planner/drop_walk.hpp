// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Keep sets in a row, each of which drops more than the one before.

#include <algorithm>
#include <cstddef>
#include <reprise/planner/layer_values.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// Starts from all outputs between layers and the inside of some layers; drops those insides in
/// their order, then the outputs between layers in theirs, until nothing is kept.
///
/// A set never costs less than the one before it.
class DropWalk {
 public:
  /// Each half has at most so many steps, of evenly many layers.
  static constexpr std::size_t most_candidates = 128;

  /// @param inside layers whose inside is kept at first
  /// @param between all layers
  DropWalk(const Program& program, const LayerValues& layers, std::vector<std::size_t> inside,
           std::vector<std::size_t> between)
      : layers_(layers),
        inside_(std::move(inside)),
        between_(std::move(between)),
        set_(program.values().size(), 0) {
    for (const std::size_t layer : between_) mark(set_, layers_.between(layer), true);
    for (const std::size_t layer : inside_) mark(set_, layers_.inside(layer), true);
  }

  /// Goes to the next set.
  /// @returns false at the last one, where it stays
  bool advance() {
    if (inside_dropped_ < inside_.size()) {
      const auto next = next_of(inside_, inside_dropped_);
      for (const std::size_t layer : next) mark(set_, layers_.inside(layer), false);
      inside_dropped_ += next.size();
      return true;
    }
    const auto next = next_of(between_, between_dropped_);
    for (const std::size_t layer : next) mark(set_, layers_.between(layer), false);
    between_dropped_ += next.size();
    return !next.empty();
  }

  /// The set of now: which values are kept.
  [[nodiscard]] const SavedSet& set() const noexcept { return set_; }
  /// The layers whose inside is gone.
  [[nodiscard]] std::span<const std::size_t> inside_dropped() const noexcept {
    return std::span(inside_).first(inside_dropped_);
  }
  /// The number of layers whose outputs to other layers are gone.
  [[nodiscard]] std::size_t between_dropped() const noexcept { return between_dropped_; }

 private:
  [[nodiscard]] static std::span<const std::size_t> next_of(const std::vector<std::size_t>& half,
                                                            std::size_t dropped) {
    const std::size_t stride = (half.size() + most_candidates - 1) / most_candidates;
    return std::span(half).subspan(dropped, std::min(stride, half.size() - dropped));
  }

  const LayerValues& layers_;
  std::vector<std::size_t> inside_;
  std::vector<std::size_t> between_;
  SavedSet set_;
  std::size_t inside_dropped_ = 0;
  std::size_t between_dropped_ = 0;
};

}  // namespace reprise::inline v0
