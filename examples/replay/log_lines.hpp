// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A log, line by line.

#include <cstddef>
#include <string>
#include <string_view>

#include "log_line.hpp"
#include "log_source.hpp"

namespace replay {

/// Reads a text line by line and holds none of it: a line is parsed as its characters come.
class LogLines {
 public:
  /// @param file what messages call the text; both must outlive this and each line
  LogLines(const std::string& file, LogSource& source) : file_(&file), source_(&source) {}

  /// Goes past the line that starts the program.
  /// @throws MalformedProgram if there is none.
  void skip_to_start();
  /// Fills the line with the next that is not blank; returns false at the end.
  /// @throws MalformedProgram if that is no JSON object with an INSTRUCTION.
  [[nodiscard]] bool next(LogLine& line);
  /// Fills it with the next line, which must be this instruction about this name.
  /// @throws MalformedProgram if it is not, or the text ends.
  void expect(LogLine& line, std::string_view instruction, std::string_view name);

 private:
  class Character;

  /// Goes to the first character of the next line that is not blank.
  [[nodiscard]] bool go_to_text();
  void skip_line();
  /// What is wrong with this line; null if it is an object.
  [[nodiscard]] const char* parse(LogLine& line);

  [[nodiscard]] bool is_at_end() {
    if (piece_.empty()) piece_ = source_->next();
    return piece_.empty();
  }

  const std::string* file_;
  LogSource* source_;
  std::string_view piece_;  ///< what is left of the source's
  std::size_t number_ = 0;
};

}  // namespace replay
