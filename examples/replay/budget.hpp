// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A budget as the command line has it.

#include <charconv>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <string>
#include <string_view>
#include <system_error>

namespace replay {

/// Bytes, or a ratio of what the program needs without a budget.
struct Budget {
  reprise::byte_count bytes = reprise::unlimited_bytes;
  double ratio = 0;  ///< of the baseline; 0 where bytes are given

  [[nodiscard]] bool is_unlimited() const noexcept {
    return ratio == 0 && bytes == reprise::unlimited_bytes;
  }
  /// Rounded down, as the published tables have it.
  [[nodiscard]] reprise::byte_count resolve(reprise::byte_count baseline) const {
    return ratio > 0 ? static_cast<reprise::byte_count>(ratio * static_cast<double>(baseline))
                     : bytes;
  }
};

/// Reads "0.5", which is a ratio, or "6GiB" or "28319744", which are sizes.
/// @throws reprise::InvalidArgument if the text is neither.
[[nodiscard]] inline Budget parse_budget(std::string_view text) {
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error == std::errc{} && rest == end && text.find('.') != std::string_view::npos) {
    if (number > 0 && number <= 1) return {.ratio = number};
    throw reprise::InvalidArgument("--budget: " + std::string(text) +
                                   " is no ratio above 0 and up to 1.0");
  }
  const reprise::byte_count bytes = reprise::parse_bytes(text);
  if (bytes == 0) throw reprise::InvalidArgument("--budget: no byte is too little to run in");
  return {.bytes = bytes};
}

}  // namespace replay
