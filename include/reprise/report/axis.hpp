// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Axes of pictures: where a value lies, round numbers beside it, units.

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <reprise/core/units.hpp>
#include <string>
#include <string_view>

namespace reprise::inline v0 {

/// A range of values along a line of pixels.
struct Axis {
  double low = 0;    ///< value at `start`
  double high = 1;   ///< value at `end`; not `low`
  double start = 0;  ///< pixel
  double end = 1;    ///< pixel; below `start` where values grow upwards

  /// The pixel of a value.
  [[nodiscard]] double at(double value) const noexcept {
    return start + (value - low) / (high - low) * (end - start);
  }
};

/// The unit that an axis counts in.
struct AxisUnit {
  double size = 1;             ///< how much of the plain unit it is
  std::string_view name = "";  ///< as it is printed; empty for the plain unit
};

/// The largest binary unit that the number of bytes has at least one of.
[[nodiscard]] inline AxisUnit byte_unit(byte_count largest) noexcept {
  constexpr std::array units{AxisUnit{0x1p50, "PiB"}, AxisUnit{0x1p40, "TiB"},
                             AxisUnit{0x1p30, "GiB"}, AxisUnit{0x1p20, "MiB"},
                             AxisUnit{0x1p10, "KiB"}};
  for (const AxisUnit& unit : units) {
    if (static_cast<double>(largest) >= unit.size) return unit;
  }
  return {.size = 1, .name = "bytes"};
}

/// The same for counts, by thousands: the name is a power of ten, or empty.
[[nodiscard]] inline AxisUnit decimal_unit(double largest) noexcept {
  constexpr std::array units{AxisUnit{1e15, "10¹⁵ "}, AxisUnit{1e12, "10¹² "},
                             AxisUnit{1e9, "10⁹ "}, AxisUnit{1e6, "10⁶ "}, AxisUnit{1e3, "10³ "}};
  for (const AxisUnit& unit : units) {
    if (largest >= unit.size) return unit;
  }
  return {};
}

/// The smallest of 1, 2, 5, 10, 20, 50, … that cuts the range into at most so many parts.
[[nodiscard]] inline double tick_step(double range, int most_parts) noexcept {
  const double power = std::pow(10.0, std::floor(std::log10(range / most_parts)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (range / (factor * power) <= most_parts) return factor * power;
  }
  return 10 * power;
}

/// A number with the digits that tell it from others so far away.
[[nodiscard]] inline std::string tick_label(double value, double step) {
  const int decimals = std::max(0, static_cast<int>(-std::floor(std::log10(step) + 1e-9)));
  std::array<char, 400> digits{};
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value,
                                          std::chars_format::fixed, decimals);
  return {digits.data(), error == std::errc{} ? end : digits.data()};
}

/// Calls f(value) for each multiple of the step on the axis.
template <class F>
void for_each_tick(const Axis& axis, double step, F&& f) {
  const double tolerance = 1e-9;
  const double last = std::floor(axis.high / step + tolerance);
  for (double i = std::ceil(axis.low / step - tolerance); i <= last; ++i)
    f(i * step + 0.0);  // no -0
}

}  // namespace reprise::inline v0
