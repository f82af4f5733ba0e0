// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What an operation says of an output before it runs.

#include <cstddef>
#include <optional>
#include <reprise/core/units.hpp>

namespace reprise::inline v0 {

/// One output of an operation that is handed to an `OperationStore`.
struct OperationOutput {
  byte_count bytes = 0;                  ///< as requested; a view takes none
  std::optional<std::size_t> view_of{};  ///< shares the storage of this input
};

}  // namespace reprise::inline v0
