// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <reprise/planner/search_watch.hpp>

namespace reprise_test {

/// Time goes on by a millisecond with each look, and by what a test says.
class CountedClock final : public reprise::SearchClock {
 public:
  [[nodiscard]] time_point now() const override {
    return time_point(std::chrono::milliseconds(++looks_ + passed_));
  }
  [[nodiscard]] int looks() const { return looks_; }
  void pass(std::chrono::milliseconds time) { passed_ += static_cast<int>(time.count()); }

 private:
  mutable std::atomic<int> looks_ = 0;
  std::atomic<int> passed_ = 0;
};

}  // namespace reprise_test
