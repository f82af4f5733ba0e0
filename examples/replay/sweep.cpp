// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "sweep.hpp"

#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include "progress_bar.hpp"

namespace replay {
namespace {

/// On stderr, so that a table can go to a file meanwhile; gone when the sweep is over.
class Progress {
 public:
  explicit Progress(std::size_t total) : total_(total), is_terminal_(isatty(STDERR_FILENO) == 1) {}
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() {
    if (is_terminal_) std::fprintf(stderr, "\r\033[K");
  }

  void show(std::string_view policy) {
    if (is_terminal_) {
      std::fprintf(stderr, "\r%s  %s\033[K", example::progress_bar(done_, total_).c_str(),
                   std::string(policy).c_str());
    }
    ++done_;
  }

 private:
  std::size_t total_;
  std::size_t done_ = 0;
  bool is_terminal_;
};

}  // namespace

std::vector<Replay> sweep(const Subject& subject, const PolicySettings& settings) {
  std::vector<std::pair<const Policy*, Budget>> plan;
  for (const Policy& policy : policies()) {
    if (!policy.adapts_to_budget) {
      plan.emplace_back(&policy, Budget{});
      continue;
    }
    for (const double ratio : sweep_ratios) plan.emplace_back(&policy, Budget{.ratio = ratio});
  }
  Progress progress(plan.size());
  std::vector<Replay> replays;
  for (const auto& [policy, budget] : plan) {
    progress.show(policy->name);
    replays.push_back(replay(subject, *policy, budget, settings));
  }
  return replays;
}

}  // namespace replay
