// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How work that may take long keeps to a time limit.

#include <chrono>
#include <cstddef>
#include <limits>
#include <reprise/planner/search_clock.hpp>

namespace reprise::inline v0::staged {

/// Thrown by work that its `SearchWatch` ended. What it was working on may only be destroyed.
struct TimeIsUp {};

/// A time limit of work that counts what it does, and looks at the clock after so much of it.
///
/// A copy goes on counting for itself, so that each thread has its own.
class SearchWatch {
 public:
  using time_point = SearchClock::time_point;  ///< when it ends

  /// Work between two looks: some hundred microseconds.
  static constexpr std::size_t period = 1U << 14U;

  /// Never ends.
  SearchWatch() = default;
  /// @param clock must outlive it
  SearchWatch(const SearchClock& clock, time_point end) : clock_(&clock), end_(end) {}

  /// Counts some work of a few nanoseconds each.
  /// @throws TimeIsUp if it is time to look, and too late
  void spend(std::size_t work) const {
    if (clock_ == nullptr || (spent_ += work) < period) return;
    spent_ = 0;
    look();
  }
  /// Looks at the clock.
  /// @throws TimeIsUp if it is too late
  void look() const {
    if (is_over()) throw TimeIsUp{};
  }
  /// True if it is too late. Looks at the clock.
  [[nodiscard]] bool is_over() const { return clock_ != nullptr && clock_->now() >= end_; }
  /// Infinite if it never ends, and less than 0 if it is over. Looks at the clock.
  [[nodiscard]] double seconds_left() const {
    if (clock_ == nullptr) return std::numeric_limits<double>::infinity();
    return std::chrono::duration<double>(end_ - clock_->now()).count();
  }

  /// One that ends after a share of the time that is left.
  [[nodiscard]] SearchWatch part(double share) const {
    if (clock_ == nullptr) return {};
    const time_point now = clock_->now();
    const std::chrono::duration<double> left = end_ - now;
    return {*clock_, now + std::chrono::duration_cast<time_point::duration>(share * left)};
  }

 private:
  const SearchClock* clock_ = nullptr;
  time_point end_{};
  mutable std::size_t spent_ = 0;
};

}  // namespace reprise::inline v0::staged
