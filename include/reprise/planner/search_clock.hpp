// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Where searches read the time.

#include <chrono>

namespace reprise::inline v0 {

/// Where searches read the time. Tests put one of their own in its place, which counts looks.
class SearchClock {
 public:
  using time_point = std::chrono::steady_clock::time_point;  ///< what it shows

  SearchClock() = default;
  SearchClock(const SearchClock&) = delete;
  SearchClock& operator=(const SearchClock&) = delete;
  virtual ~SearchClock() = default;

  /// The time of now; called from several threads at once.
  [[nodiscard]] virtual time_point now() const { return std::chrono::steady_clock::now(); }

  /// The clock of the machine.
  [[nodiscard]] static const SearchClock& steady() {
    static const SearchClock clock;
    return clock;
  }
};

}  // namespace reprise::inline v0
