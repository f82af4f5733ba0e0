// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A bar that shows how much is done.

#include <cstddef>
#include <string>

namespace example {

/// "[####....] 2/4"; it fills as `done` goes to `total`, which is not 0.
inline std::string progress_bar(std::size_t done, std::size_t total) {
  constexpr std::size_t width = 24;
  const std::size_t filled = width * done / total;
  return "[" + std::string(filled, '#') + std::string(width - filled, '.') + "] " +
         std::to_string(done) + "/" + std::to_string(total);
}

}  // namespace example
