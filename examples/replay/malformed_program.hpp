// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What is wrong with a log, and where.

#include <cstddef>
#include <reprise/core/error.hpp>
#include <string>

namespace replay {

/// A log that is no program. The message is one line, "resnet32.log:17: what is wrong".
class MalformedProgram : public reprise::Error {
 public:
  MalformedProgram(const std::string& file, std::size_t line, const std::string& what)
      : Error(file + ":" + std::to_string(line) + ": " + what), line_(line) {}

  /// Counted from 1, in the text that a compressed log holds.
  [[nodiscard]] std::size_t line() const noexcept { return line_; }

 private:
  std::size_t line_;
};

}  // namespace replay
