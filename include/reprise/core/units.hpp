// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Bytes: literals, text to bytes and bytes to text.

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <reprise/core/error.hpp>
#include <string>
#include <string_view>
#include <system_error>

namespace reprise::inline v0 {

/// A number of bytes. Sums of activations pass 2^32 on every machine worth planning for.
using byte_count = std::uint64_t;

/// The budget of a run that has none.
inline constexpr byte_count unlimited_bytes = std::numeric_limits<byte_count>::max();

inline namespace literals {

/// Bytes: `64_B`.
consteval byte_count operator""_B(unsigned long long n) { return n; }
/// Kibibytes, 1024 bytes each.
consteval byte_count operator""_KiB(unsigned long long n) { return n << 10U; }
/// Mebibytes, 1024 KiB each.
consteval byte_count operator""_MiB(unsigned long long n) { return n << 20U; }
/// Gibibytes, 1024 MiB each.
consteval byte_count operator""_GiB(unsigned long long n) { return n << 30U; }

}  // namespace literals

/// Text for people: `format_bytes(1'572'864)` is "1.50 MiB".
[[nodiscard]] inline std::string format_bytes(byte_count bytes) {
  if (bytes == unlimited_bytes) return "unlimited";
  constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return std::to_string(bytes) + " B";
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024.0 && unit + 1 < units.size()) {
    value /= 1024.0;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2f %s", value, units.at(unit));
  return text.data();
}

/// Reads "4096", "64B", "64KiB", "1.5 GiB" (also KB, MB, GB: powers of 1000).
/// @throws InvalidArgument if the text is not a size, or the size is negative or passes 2^63.
[[nodiscard]] inline byte_count parse_bytes(std::string_view text) {
  const auto refuse = [&]() -> byte_count {
    throw InvalidArgument("'" + std::string(text) +
                          "' is not a size: write a number of bytes, or one with KiB, MiB, GiB, "
                          "TiB, KB, MB, GB or TB");
  };
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number, std::chars_format::fixed);
  if (error != std::errc{} || !std::isfinite(number) || number < 0) return refuse();
  std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  struct Unit {
    std::string_view name;
    double bytes;
  };
  constexpr std::array units{Unit{"", 1},         Unit{"B", 1},        Unit{"KiB", 0x1p10},
                             Unit{"MiB", 0x1p20}, Unit{"GiB", 0x1p30}, Unit{"TiB", 0x1p40},
                             Unit{"KB", 1e3},     Unit{"MB", 1e6},     Unit{"GB", 1e9},
                             Unit{"TB", 1e12}};
  for (const Unit& known : units) {
    if (known.name != unit) continue;
    const double bytes = number * known.bytes;
    if (bytes >= 0x1p63) return refuse();
    return static_cast<byte_count>(bytes);
  }
  return refuse();
}

}  // namespace reprise::inline v0
