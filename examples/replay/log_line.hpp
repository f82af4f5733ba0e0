// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// One line of a log, a JSON object with typed fields.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace replay {

/// The fields that instructions have; a line's others are skipped, however deep they are nested.
inline constexpr std::array<std::string_view, 11> log_fields{
    "INSTRUCTION", "NAME",   "MEMORY", "ARGS", "RESULT",    "TIME",
    "ALIAS",       "MUTATE", "DST",    "SRC",  "ANNOTATION"};

/// What one line says. A line that is filled again keeps its memory, which is a small multiple of
/// the longest that it held: lists are not made into objects. Every access throws
/// `MalformedProgram` if the field is not there or of another type; what it returns is valid until
/// the line is filled again.
class LogLine {
 public:
  /// A field's names or numbers.
  class List;

  [[nodiscard]] std::string_view instruction() const { return text("INSTRUCTION"); }
  [[nodiscard]] std::string_view text(std::string_view field) const;
  [[nodiscard]] List texts(std::string_view field) const;
  /// A whole number, written as one or as a text.
  [[nodiscard]] std::int64_t integer(std::string_view field) const;
  [[nodiscard]] List integers(std::string_view field) const;
  /// A whole number that is not negative: bytes or time.
  [[nodiscard]] std::uint64_t size(std::string_view field) const;

  /// Whether a field is there and is this text.
  [[nodiscard]] bool says(std::string_view field, std::string_view text) const;

  /// @throws MalformedProgram that names this line.
  [[noreturn]] void refuse(const std::string& what) const;

 private:
  friend class LogLineBuilder;

  enum class Kind : std::uint8_t { text, integer, other };
  struct Field {
    std::size_t begin = 0;  ///< its items
    std::size_t end = 0;
    bool is_there = false;
    bool is_list = false;
  };

  [[nodiscard]] const Field& field(std::string_view name) const;
  [[nodiscard]] const Field& list(std::string_view name) const;
  [[nodiscard]] std::string_view item(std::size_t index) const;
  [[nodiscard]] std::int64_t integer_of(std::size_t item, std::string_view field) const;

  const std::string* file_ = nullptr;
  std::size_t number_ = 0;
  std::array<Field, log_fields.size()> fields_{};
  // Of all items: what they are, and where each ends in the text that they make together.
  std::vector<Kind> kinds_;
  std::vector<std::uint32_t> ends_;
  std::string characters_;
};

class LogLine::List {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
  /// The item at an index, where they are texts.
  [[nodiscard]] std::string_view text(std::size_t index) const;
  /// The item at an index, where they are whole numbers.
  [[nodiscard]] std::int64_t integer(std::size_t index) const;

 private:
  friend class LogLine;
  List(const LogLine& line, const Field& field, std::string_view name)
      : line_(&line), begin_(field.begin), end_(field.end), name_(name) {}

  const LogLine* line_;
  std::size_t begin_;
  std::size_t end_;
  std::string_view name_;
};

}  // namespace replay
