// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A budget as the command line has it.

#include <charconv>
#include <cmath>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <string>
#include <string_view>
#include <system_error>

namespace gpt {

/// Bytes, or a share of what store-all needs.
struct Budget {
  reprise::byte_count bytes = 0;
  double share = 0;  ///< of store-all's peak; 0 where bytes are given

  [[nodiscard]] bool is_share() const noexcept { return share > 0; }
  [[nodiscard]] reprise::byte_count resolve(reprise::byte_count store_all_peak) const {
    if (!is_share()) return bytes;
    return static_cast<reprise::byte_count>(share * static_cast<double>(store_all_peak));
  }
};

/// Reads "64MiB" or "50%".
/// @throws reprise::InvalidArgument if the text is neither a size nor a positive share.
/// @param option that the text was given to, for the message
[[nodiscard]] inline Budget parse_budget(std::string_view text,
                                         const std::string& option = "--budget") {
  if (!text.ends_with('%')) {
    const reprise::byte_count bytes = reprise::parse_bytes(text);
    if (bytes == 0) throw reprise::InvalidArgument(option + ": no byte is too little to train in");
    return {.bytes = bytes};
  }
  const std::string_view number = text.substr(0, text.size() - 1);
  double percent = 0;
  const auto [rest, error] = std::from_chars(number.data(), number.data() + number.size(), percent);
  if (error != std::errc{} || rest != number.data() + number.size() || !std::isfinite(percent) ||
      percent <= 0 || percent > 1e6) {
    throw reprise::InvalidArgument("'" + std::string(text) +
                                   "' is not a share of store-all's peak: write 50%");
  }
  return {.share = percent / 100};
}

}  // namespace gpt
