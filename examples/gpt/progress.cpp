// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <reprise/core/units.hpp>

#include "progress_bar.hpp"

namespace gpt {

Progress::Progress(std::string_view policy, std::size_t steps, std::size_t tokens_a_step)
    : policy_(policy),
      steps_(steps),
      tokens_(static_cast<double>(tokens_a_step)),
      is_terminal_(isatty(STDOUT_FILENO) == 1) {}

void Progress::show(std::size_t step, const StepResult& result) {
  std::array<char, 96> facts{};
  std::snprintf(facts.data(), facts.size(), "loss %.4f  %7.0f tokens/s  %s live",
                static_cast<double>(result.loss), tokens_ / result.seconds,
                reprise::format_bytes(result.live_bytes).c_str());
  if (is_terminal_) return show_bar(step, facts.data());
  const std::size_t lines = 5;
  const std::size_t distance = std::max<std::size_t>(1, steps_ / lines);
  if (step != 1 && step != steps_ && step % distance != 0) return;
  std::printf("%-13s step %zu/%zu  %s\n", policy_.c_str(), step, steps_, facts.data());
  std::fflush(stdout);
}

void Progress::show_bar(std::size_t step, const std::string& facts) const {
  std::printf("\r%-13s %s  %s\033[K", policy_.c_str(), example::progress_bar(step, steps_).c_str(),
              facts.c_str());
  if (step == steps_) std::printf("\n");
  std::fflush(stdout);
}

}  // namespace gpt
