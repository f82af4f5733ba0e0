// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Numbers that an option takes.

#include <charconv>
#include <string>
#include <system_error>

namespace example {

/// Says what is wrong with a number that an option was given, or nothing. Unlike the option
/// parser's own ranges it lets nothing through that is not a number.
struct NumberBetween {
  double least;
  double most;

  [[nodiscard]] std::string operator()(const std::string& text) const {
    double number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    if (error == std::errc{} && rest == end && number >= least && number <= most) return {};
    return "'" + text + "' is no number from " + shortest(least) + " to " + shortest(most);
  }

 private:
  static std::string shortest(double number) {
    std::string digits(32, ' ');
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
    digits.resize(static_cast<std::size_t>(end - digits.data()));
    return digits;
  }
};

}  // namespace example
