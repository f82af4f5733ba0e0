// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The layers of an engine whose gradients lie elsewhere at each step.

#include <vector>

namespace reprise::inline v0 {

/// The layers of an engine that shows each layer's gradients when they are final, at whatever
/// address they then have, and may free them at once.
struct ObservedLayers {
  /// For each layer, whether it has parameters and thus a statistic.
  std::vector<bool> has_gradients;
};

}  // namespace reprise::inline v0
