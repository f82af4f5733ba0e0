// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a user decides for a layer, and which values that means.

#include <cstddef>
#include <cstdint>
#include <reprise/core/error.hpp>
#include <reprise/planner/layer_values.hpp>
#include <reprise/program/program.hpp>
#include <span>
#include <string>

namespace reprise::inline v0 {

/// A user's word on a layer, whatever the planner decides.
enum class LayerOverride : std::uint8_t {
  none,            ///< the planner decides
  must_save,       ///< everything that the layer makes is kept
  must_recompute,  ///< what the layer saved, and the outputs inside it, are recomputed
};

/// The override of a layer; layers beyond the list have none.
[[nodiscard]] constexpr LayerOverride override_of(std::span<const LayerOverride> overrides,
                                                  std::size_t layer) noexcept {
  return layer < overrides.size() ? overrides[layer] : LayerOverride::none;
}

/// Refuses a word that is none.
/// @throws InvalidArgument that names the layer and the word.
inline void check_override_kind(std::size_t layer, LayerOverride word) {
  if (word <= LayerOverride::must_recompute) return;
  throw InvalidArgument("an override of layer " + std::to_string(layer) + " of kind " +
                        std::to_string(static_cast<unsigned>(word)) + ", which does not exist");
}

/// Calls `f(value, word)` for each value that an override decides on: what lies inside the layer,
/// and, where it must be saved, its outputs that other layers read. In the order of the layers;
/// linear in the values of those that have an override.
template <class F>
void for_each_overridden(const LayerValues& layers, std::span<const LayerOverride> overrides,
                         F&& f) {
  for (std::size_t layer = 0; layer < overrides.size(); ++layer) {
    const LayerOverride word = overrides[layer];
    if (word == LayerOverride::none) continue;
    for (const value_id v : layers.inside(layer)) f(v, word);
    if (word != LayerOverride::must_save) continue;
    for (const value_id v : layers.between(layer)) f(v, word);
  }
}

}  // namespace reprise::inline v0
