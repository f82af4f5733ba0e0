// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// For which value a form is made or restored.

#include <cstddef>
#include <cstdint>

namespace reprise::inline v0 {

/// Names one making or restoring of a form: the same numbers whenever it is repeated, so that what
/// is drawn at random is drawn the same again.
struct FormCall {
  std::uint64_t seed = 0;         ///< of the training
  std::uint64_t step = 0;         ///< of the optimiser
  std::uint64_t micro_batch = 0;  ///< of the step
  std::uint32_t value = 0;        ///< of the program: which tensor
  std::size_t restoration = 0;    ///< which of `FormOption::restorations`; 0 while it is made
};

}  // namespace reprise::inline v0
