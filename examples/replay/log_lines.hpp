// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The lines of a log, each a JSON object with typed fields.

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace replay {

/// One line. Every access throws `MalformedProgram` if the field is not there or of another type.
class LogLine {
 public:
  /// @throws MalformedProgram if the text is no JSON object with an INSTRUCTION.
  LogLine(const std::string& file, std::size_t number, std::string_view text);

  [[nodiscard]] const std::string& instruction() const noexcept { return instruction_; }
  [[nodiscard]] std::string text(const char* field) const;
  [[nodiscard]] std::vector<std::string> texts(const char* field) const;
  /// A whole number, written as one or as a text.
  [[nodiscard]] std::int64_t integer(const char* field) const;
  [[nodiscard]] std::vector<std::int64_t> integers(const char* field) const;
  /// A whole number that is not negative: bytes or time.
  [[nodiscard]] std::uint64_t size(const char* field) const;

  /// @throws MalformedProgram that names this line.
  [[noreturn]] void refuse(const std::string& what) const;

 private:
  [[nodiscard]] const nlohmann::json& field(const char* name) const;
  [[nodiscard]] const nlohmann::json& list(const char* name) const;
  [[nodiscard]] std::int64_t integer_of(const nlohmann::json& value, const char* field) const;

  const std::string* file_;
  std::size_t number_;
  nlohmann::json object_;
  std::string instruction_;
};

/// Reads a text line by line.
class LogLines {
 public:
  /// @param file what messages call the text; both must outlive this and each line
  LogLines(const std::string& file, std::string_view text) : file_(&file), rest_(text) {}

  /// Goes past the line that starts the program.
  /// @throws MalformedProgram if there is none.
  void skip_to_start();
  /// The next line that is not blank; nothing at the end.
  [[nodiscard]] std::optional<LogLine> next();
  /// The next line, which must be this instruction about this name.
  /// @throws MalformedProgram if it is not, or the text ends.
  [[nodiscard]] LogLine expect(const char* instruction, const std::string& name);

 private:
  [[nodiscard]] std::optional<std::string_view> next_text();

  const std::string* file_;
  std::string_view rest_;
  std::size_t number_ = 0;
};

}  // namespace replay
