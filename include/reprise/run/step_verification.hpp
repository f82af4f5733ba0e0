// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What the verification of a whole step has compared.

#include <cstddef>
#include <vector>

namespace reprise::inline v0 {

/// What `verify_step` found equal to the bit, and what it could not look at.
struct StepVerification {
  std::size_t parameter_gradients = 0;  ///< compared, those of length 0 apart
  std::size_t input_gradients = 0;      ///< of the graph, compared
  std::size_t backward_reads = 0;       ///< tensors and saved states that backwards read, compared
  /// Nodes that ran backward, may have parameters and do not report gradients: of these only what
  /// their backward reads is compared.
  std::vector<std::size_t> nodes_without_gradients{};
};

}  // namespace reprise::inline v0
