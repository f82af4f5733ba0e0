// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What the user sees while training runs.

#include <cstddef>
#include <cstdio>
#include <string>
#include <string_view>

#include "trainer.hpp"

namespace gpt {

/// A bar on a terminal; otherwise a line now and then.
class Progress {
 public:
  Progress(std::string_view policy, std::size_t steps, std::size_t tokens_a_step);

  /// Shows step number `step`, counted from 1.
  void show(std::size_t step, const StepResult& result);

 private:
  void show_bar(std::size_t step, const std::string& facts) const;

  std::string policy_;
  std::size_t steps_;
  double tokens_;
  bool is_terminal_;
};

}  // namespace gpt
