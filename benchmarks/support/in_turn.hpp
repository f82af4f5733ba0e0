// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace reprise_bench {

/// The median; reorders the numbers.
inline double median(std::vector<double>& numbers) {
  const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2);
  std::ranges::nth_element(numbers, middle);
  return *middle;
}

inline double seconds_of(const std::function<void()>& run) {
  const auto start = std::chrono::steady_clock::now();
  run();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The same of the processor time of all threads, which other programs on the machine do not add
/// to.
inline double cpu_seconds_of(const std::function<void()>& run) {
  const std::clock_t start = std::clock();
  run();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

/// One way to do something.
struct Way {
  std::string name;
  std::function<void()> run;
};

/// Does the same thing in several ways, one after the other in each iteration, so that they share
/// busy and quiet moments of the machine. Ratios within an iteration are what can be trusted; a
/// benchmark that has these for its body needs `UseManualTime()`, which shows the first way's time.
class InTurn {
 public:
  using Clock = double (*)(const std::function<void()>&);

  explicit InTurn(std::vector<Way> ways, Clock clock = seconds_of)
      : ways_(std::move(ways)), ratios_(ways_.size()), clock_(clock) {}

  void run(benchmark::State& state) {
    for (const Way& way : ways_) way.run();  // what is cold costs the first round only
    std::vector<double> seconds(ways_.size());
    std::size_t first = 0;
    for (auto _ : state) {
      for (std::size_t i = 0; i < ways_.size(); ++i) {
        const std::size_t way = (first + i) % ways_.size();
        seconds[way] = clock_(ways_[way].run);
      }
      first = (first + 1) % ways_.size();  // none is always behind the same one
      for (std::size_t i = 0; i < ways_.size(); ++i) ratios_[i].push_back(seconds[i] / seconds[0]);
      state.SetIterationTime(seconds[0]);
    }
  }

  /// Calls `report(name, ratio)` for all ways but the first, with the median over the iterations of
  /// the time they took by the time that the first one took.
  template <class Report>
  void for_each_ratio(Report report) {
    for (std::size_t i = 1; i < ways_.size(); ++i) report(ways_[i].name, median(ratios_[i]));
  }

 private:
  std::vector<Way> ways_;
  std::vector<std::vector<double>> ratios_;
  Clock clock_;
};

}  // namespace reprise_bench
